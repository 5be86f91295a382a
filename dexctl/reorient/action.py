"""From the policy's bins to the targets of the position servos (appendix C.1, order of C.2.9)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dexctl.profile import schema
from dexctl.scene.anatomy import anatomy

# N simulations, A actuators.


def num_actuators(profile: schema.Profile) -> int:
    """Coordinates of an action: the hand's actuators."""
    return len(anatomy(profile.hand).actuators)


def bin_values(bins: Tensor, num_bins: int) -> Tensor:
    """Bin indices (N, A) to actions in [-1, 1], equally spaced, float64."""
    return bins.to(torch.float64) * (2.0 / (num_bins - 1)) - 1.0


class MovingAverage:
    """The exponential average of each simulation's actions, its start-up bias corrected (Adam's way)."""

    def __init__(self, num_simulations: int, num_actuators: int, weight: float) -> None:
        self.value = torch.zeros(num_simulations, num_actuators, dtype=torch.float64)
        self._past = torch.ones(num_simulations, 1, dtype=torch.float64)
        self._sum = torch.zeros_like(self.value)
        self._weight = weight

    def reset(self, ids: Tensor) -> None:
        """Forgets the past of simulations ``ids`` (n,)."""
        self.value[ids] = 0.0
        self._sum[ids] = 0.0
        self._past[ids] = 1.0

    def update(self, action: Tensor, rows: Tensor | slice) -> Tensor:
        """Takes one more action (n, A) of the simulations ``rows`` and returns their averages (n, A)."""
        total = self._weight * self._sum[rows] + (1.0 - self._weight) * action
        past = self._weight * self._past[rows]
        value = total / (1.0 - past)
        self._sum[rows], self._past[rows], self.value[rows] = total, past, value
        return value


class RelativeTargets:
    """Targets = where the joints are now + a share of half their control range, clipped to it.

    Attributes:
        reach_rad: (A,) what a full action adds.

    Actuators that the profile holds are sent to their angle instead: as if each action were overridden
    with (angle - now) / half range behind all noise and delay, so that a locked wrist is locked (appendix C.1).
    """

    def __init__(
        self,
        control_range_rad: Tensor,
        action: schema.Action,
        actuators: Sequence[str] = (),
        ranges_rad: Tensor | None = None,
    ) -> None:
        """Takes the ranges.

        Args:
            control_range_rad: (A, 2) of the model; half of it is a full action, in every simulation.
            actuators: their names, in order; needed where some are held.
            ranges_rad: (N, A, 2) of each simulation, live, where they differ: targets are clipped to them.
        """
        self.low, self.high = control_range_rad[:, 0], control_range_rad[:, 1]
        self.reach_rad = 0.5 * action.range_fraction * (self.high - self.low)
        self._held = torch.tensor([actuators.index(name) for name in action.hold], dtype=torch.int64)
        self._angle = torch.tensor(list(action.hold.values()), dtype=torch.float64)
        self._ranges = ranges_rad

    def change(self, action: Tensor, actuator_length: Tensor) -> Tensor:
        """How far actions (n, A) in [-1, 1] turn each actuator from its length (n, A), rad: (n, A), not clipped."""
        change = action.clamp(-1.0, 1.0) * self.reach_rad
        if len(self._held):
            change[:, self._held] = self._angle - actuator_length[:, self._held]
        return change

    def __call__(self, action: Tensor, actuator_length: Tensor, rows: Tensor | slice = slice(None)) -> Tensor:
        """Actions (n, A) in [-1, 1] and current lengths (n, A) rad of simulations ``rows`` to targets (n, A) rad."""
        low, high = (self.low, self.high) if self._ranges is None else self._ranges[rows].unbind(-1)
        target = actuator_length + self.change(action, actuator_length)
        if len(self._held):
            target[:, self._held] = self._angle
        return torch.clamp(target, low, high)

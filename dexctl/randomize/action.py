"""What happens to an action on its way to the motors: noise, delay, backlash (appendix C.2.4, C.2.6).

``episode`` says what an effect keeps for an episode, ``step`` what it draws anew at every step.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dexctl.profile import schema
from dexctl.profile.distribution import Value
from dexctl.randomize.draw import UNIT, Drawn, Draws

# N simulations, n of them, A actuators.

# Keeps a division by the slack's change finite (appendix C.2.6).
_TINY = 1e-12


class Noise:
    """Noise of each actuator's action: a factor, a part that an episode keeps, a part new at every step."""

    def __init__(self, settings: schema.ActionNoise, num_simulations: int, num_actuators: int) -> None:
        kept: Value = settings.factor if settings.factor_per == "episode" else 1.0
        fresh: Value = settings.factor if settings.factor_per == "step" else 1.0
        self.episode = Draws(
            "action_noise.episode", offset=(settings.episode, num_actuators), factor=(kept, num_actuators)
        )
        self.step = Draws("action_noise.step", offset=(settings.step, num_actuators), factor=(fresh, num_actuators))
        self.offset = torch.zeros(num_simulations, num_actuators, dtype=torch.float64)
        self.factor = torch.ones(num_simulations, num_actuators, dtype=torch.float64)

    def begin(self, ids: Tensor, kept: Drawn) -> None:
        """Gives simulations ``ids`` (n,) what they keep for an episode."""
        self.offset[ids], self.factor[ids] = kept["offset"], kept["factor"]

    def apply(self, rows: Tensor, new: Drawn, action: Tensor) -> Tensor:
        """Noisy actions (n, A) of simulations ``rows`` (n,) for actions (n, A)."""
        return action * (self.factor[rows] * new["factor"]) + self.offset[rows] + new["offset"]


class Delay:
    """Actuators that do what they were told one control step before."""

    def __init__(self, settings: schema.Delay, num_simulations: int, num_actuators: int) -> None:
        self._probability = settings.probability
        self.episode = Draws("delay", chance=(UNIT, num_actuators))
        self.late = torch.zeros(num_simulations, num_actuators, dtype=torch.bool)
        self._previous = torch.zeros(num_simulations, num_actuators, dtype=torch.float64)

    def begin(self, ids: Tensor, kept: Drawn) -> None:
        """Tells which actuators of simulations ``ids`` (n,) are late; before the first action was none."""
        self.late[ids] = kept["chance"] < self._probability
        self._previous[ids] = 0.0

    def apply(self, rows: Tensor, action: Tensor) -> Tensor:
        """What the actuators (n, A) of simulations ``rows`` (n,) do when told ``action`` (n, A)."""
        done = torch.where(self.late[rows], self._previous[rows], action)
        self._previous[rows] = action
        return done


class Backlash:
    """Slack between motor and joint: s in [-1, 1] says where in its slack each tendon hangs.

    An action moves the joint only for the share of the step in which its tendon is taut. The
    share's denominator is the unclipped change of the slack, as in robogym; with the paper's clipped one
    nothing moves at all until the slack is used up.
    """

    def __init__(
        self,
        settings: schema.Backlash,
        log_speed: Sequence[tuple[float, float]],
        period_s: float,
        num_simulations: int,
    ) -> None:
        """Takes what was calibrated.

        Args:
            log_speed: of each actuator, ln of the slack's speed for negative and positive actions, 1/s.
            period_s: of a control step.
        """
        self._settings = settings
        self.log_speed = torch.tensor(log_speed, dtype=torch.float64)
        self._period_s = period_s
        self.episode = Draws("backlash", log_factor=(settings.log_factor, self.log_speed.numel()))
        self.speed = torch.zeros(num_simulations, len(log_speed), 2, dtype=torch.float64)
        self.slack = torch.zeros(num_simulations, len(log_speed), dtype=torch.float64)

    def begin(self, ids: Tensor, kept: Drawn) -> None:
        """Gives simulations ``ids`` (n,) the speeds of their slack, which starts in its middle."""
        factor = kept["log_factor"].unflatten(1, self.log_speed.shape)
        by_log = self._settings.spread == "log"
        speed = torch.exp(self.log_speed * factor) if by_log else torch.exp(self.log_speed) * factor
        self.speed[ids] = speed.clamp_min(self._settings.slowest_per_s)
        self.slack[ids] = 0.0

    def apply(self, rows: Tensor, action: Tensor) -> Tensor:
        """What is left (n, A) of actions (n, A) in simulations ``rows`` (n,)."""
        action = torch.where(action.abs() < self._settings.dead_zone, 0.0, action)
        slack, speed = self.slack[rows], self.speed[rows]
        change = action * torch.where(action < 0, speed[..., 0], speed[..., 1]) * self._period_s
        after = (slack + change).clamp(-1.0, 1.0)
        taken = after - slack if self._settings.share == "clipped" else change
        taut = 1.0 - ((torch.sign(action) - slack).abs() / (taken.abs() + _TINY)).clamp(0.0, 1.0)
        self.slack[rows] = after
        return taut * action

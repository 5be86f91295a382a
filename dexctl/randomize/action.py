"""What happens to an action on its way to the motors: noise, delay, backlash (appendix C.2.4, C.2.6)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dexctl import randomness
from dexctl.profile import schema
from dexctl.profile.distribution import Value
from dexctl.randomize.draw import draw

# N simulations, n of them, A actuators.

_NOISE = randomness.stream("action_noise")
_DELAY = randomness.stream("delay")
_BACKLASH = randomness.stream("backlash")
_STEP, _EPISODE, _FACTOR = (randomness.stream(name) for name in ("step", "episode", "factor"))

# Keeps a division by the slack's change finite (appendix C.2.6).
_TINY = 1e-12


class Noise:
    """Noise of each actuator's action: a factor, a part that an episode keeps, a part new at every step."""

    def __init__(self, settings: schema.ActionNoise, num_simulations: int, num_actuators: int) -> None:
        self._settings = settings
        self._count = num_actuators
        self.offset = torch.zeros(num_simulations, num_actuators, dtype=torch.float64)
        self.factor = torch.ones(num_simulations, num_actuators, dtype=torch.float64)

    def begin(self, ids: Tensor, key: Tensor) -> None:
        """Draws what simulations ``ids`` (n,) keep for the episode of keys (n,)."""
        self.offset[ids] = self._draw(self._settings.episode, key, _EPISODE)
        self.factor[ids] = self._draw(self._settings.factor, key, _FACTOR)

    def apply(self, rows: Tensor, key: Tensor, step: Tensor, action: Tensor) -> Tensor:
        """Noisy actions (n, A) for actions (n, A) at a step (n,) of the episodes of keys (n,)."""
        now = randomness.derive(key, step)
        per_step = self._settings.factor_per == "step"
        factor = self._draw(self._settings.factor, now, _FACTOR) if per_step else self.factor[rows]
        return action * factor + self.offset[rows] + self._draw(self._settings.step, now, _STEP)

    def _draw(self, value: Value, key: Tensor, part: int) -> Tensor:
        return draw(value, randomness.derive(key, _NOISE, part), self._count)


class Delay:
    """Actuators that do what they were told one control step before."""

    def __init__(self, settings: schema.Delay, num_simulations: int, num_actuators: int) -> None:
        self._probability = settings.probability
        self.late = torch.zeros(num_simulations, num_actuators, dtype=torch.bool)
        self._previous = torch.zeros(num_simulations, num_actuators, dtype=torch.float64)

    def begin(self, ids: Tensor, key: Tensor) -> None:
        """Draws which actuators of simulations ``ids`` (n,) are late; before the first action was none."""
        u = randomness.uniform(randomness.derive(key, _DELAY), self.late.shape[1])
        self.late[ids] = u < self._probability
        self._previous[ids] = 0.0

    def apply(self, rows: Tensor, action: Tensor) -> Tensor:
        """What the actuators (n, A) of simulations ``rows`` (n,) do when told ``action`` (n, A)."""
        done = torch.where(self.late[rows], self._previous[rows], action)
        self._previous[rows] = action
        return done


class Backlash:
    """Slack between motor and joint: s in [-1, 1] says where in its slack each tendon hangs.

    An action moves the joint only for the share of the step in which its tendon is taut. The
    share's denominator is the unclipped change of the slack, as in robogym: the paper's clipped one
    would move nothing at all until the slack is used up.
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
        self._log_speed = torch.tensor(log_speed, dtype=torch.float64)
        self._period_s = period_s
        self.speed = torch.zeros(num_simulations, len(log_speed), 2, dtype=torch.float64)
        self.slack = torch.zeros(num_simulations, len(log_speed), dtype=torch.float64)

    def begin(self, ids: Tensor, key: Tensor) -> None:
        """Draws the slack's speeds of simulations ``ids`` (n,); the slack starts in its middle."""
        factor = draw(self._settings.log_factor, randomness.derive(key, _BACKLASH), self._log_speed.numel())
        speed = torch.exp(self._log_speed * factor.view(-1, *self._log_speed.shape))
        self.speed[ids] = speed.clamp_min(self._settings.slowest_per_s)
        self.slack[ids] = 0.0

    def apply(self, rows: Tensor, action: Tensor) -> Tensor:
        """What is left (n, A) of actions (n, A) in simulations ``rows`` (n,)."""
        action = torch.where(action.abs() < self._settings.dead_zone, 0.0, action)
        slack, speed = self.slack[rows], self.speed[rows]
        change = action * torch.where(action < 0, speed[..., 0], speed[..., 1]) * self._period_s
        taut = 1.0 - ((torch.sign(action) - slack).abs() / (change.abs() + _TINY)).clamp(0.0, 1.0)
        self.slack[rows] = (slack + change).clamp(-1.0, 1.0)
        return taut * action

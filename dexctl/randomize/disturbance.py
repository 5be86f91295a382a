"""What disturbs physics from outside: uneven time steps and pushes on the object (appendix C.2.5, C.2.7)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dexctl import randomness
from dexctl.physics import Physics
from dexctl.profile import schema
from dexctl.randomize.draw import draw

# N simulations, n of them.

_TIMING = randomness.stream("timing")
_FORCE = randomness.stream("force")
_PUSH = randomness.stream("force.push")


class Timing:
    """Physics steps that last longer, all of a control step alike."""

    def __init__(self, settings: schema.Timing, timestep_s: float, physics: Physics, num_simulations: int) -> None:
        self._settings = settings
        self._timestep_s = timestep_s
        self._live = physics.model_field("opt.timestep")
        self.rate_per_s = torch.zeros(num_simulations, dtype=torch.float64)

    def clear(self, ids: Tensor) -> None:
        """Gives simulations ``ids`` (n,) the plain time step again, for their start."""
        self._live[ids] = self._timestep_s

    def begin(self, ids: Tensor, key: Tensor) -> None:
        """Draws the rate of simulations ``ids`` (n,) for the episode of keys (n,)."""
        self.rate_per_s[ids] = draw(self._settings.rate_per_s, randomness.derive(key, _TIMING), 1)[:, 0]

    def apply(self, rows: Tensor, key: Tensor, step: Tensor) -> None:
        """Draws the time step of simulations ``rows`` (n,) at a step (n,) of the episodes of keys (n,)."""
        u = randomness.uniform(randomness.derive(key, _TIMING, step), 1)[:, 0]
        self._live[rows] = self._timestep_s - torch.log1p(-u) / self.rate_per_s[rows]


class Force:
    """A push on the object's centre that fades; a new one takes its place, without a torque."""

    def __init__(
        self,
        settings: schema.Force,
        object_body: int,
        object_mass: Callable[[Tensor], Tensor],
        physics: Physics,
        num_simulations: int,
    ) -> None:
        """Args: object_mass: of simulations (n,), kg (n,)."""
        self._settings = settings
        self._object_mass = object_mass
        self._applied = physics.applied_force
        self._body = object_body
        self.probability = torch.zeros(num_simulations, dtype=torch.float64)
        self.force = torch.zeros(num_simulations, 3, dtype=torch.float64)

    def begin(self, ids: Tensor, key: Tensor) -> None:
        """Draws how often the object of simulations ``ids`` (n,) is pushed in the episode of keys (n,)."""
        self.probability[ids] = draw(self._settings.probability, randomness.derive(key, _FORCE), 1)[:, 0]
        self.force[ids] = 0.0

    def apply(self, rows: Tensor, key: Tensor, step: Tensor) -> None:
        """Lets pushes on simulations ``rows`` (n,) fade, begins new ones, and writes them, N in the world frame."""
        now = randomness.derive(key, _FORCE, step)
        hit = randomness.uniform(now, 1) < self.probability[rows, None]
        push = draw(self._settings.acceleration_m_s2, randomness.derive(now, _PUSH), 3)
        push = push * self._object_mass(rows)[:, None]
        force = torch.where(hit, push, self._settings.decay * self.force[rows])
        self.force[rows] = force
        self._applied[rows, self._body, :3] = force

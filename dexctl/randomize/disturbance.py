"""What disturbs physics from outside: uneven time steps and pushes on the object (appendix C.2.5, C.2.7)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dexctl.physics import Physics
from dexctl.profile import schema
from dexctl.profile.distribution import Distribution
from dexctl.randomize.draw import UNIT, Draws

# N simulations, n of them.


class Timing:
    """Physics steps that last longer, all of a control step alike."""

    def __init__(self, settings: schema.Timing, timestep_s: float, physics: Physics, num_simulations: int) -> None:
        self._timestep_s = timestep_s
        self._episode = Draws("timing.episode", rate_per_s=(settings.rate_per_s, 1))
        self._step = Draws("timing.step", of_mean=(Distribution(exponential=1.0), 1))
        self._live = physics.model_field("opt.timestep")
        self.rate_per_s = torch.zeros(num_simulations, dtype=torch.float64)

    def clear(self, ids: Tensor) -> None:
        """Gives simulations ``ids`` (n,) the plain time step again, for their start."""
        self._live[ids] = self._timestep_s

    def begin(self, ids: Tensor, key: Tensor) -> None:
        """Draws the rate of simulations ``ids`` (n,) for the episode of keys (n,)."""
        self.rate_per_s[ids] = self._episode(key)["rate_per_s"][:, 0]

    def apply(self, rows: Tensor, key: Tensor, step: Tensor) -> None:
        """Draws the time step of simulations ``rows`` (n,) at a step (n,) of the episodes of keys (n,)."""
        self._live[rows] = self._timestep_s + self._step(key, step)["of_mean"][:, 0] / self.rate_per_s[rows]


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
        self._decay = settings.decay
        self._episode = Draws("force.episode", probability=(settings.probability, 1))
        self._step = Draws("force.step", chance=(UNIT, 1), acceleration=(settings.acceleration_m_s2, 3))
        self._object_mass = object_mass
        self._applied = physics.applied_force
        self._body = object_body
        self.probability = torch.zeros(num_simulations, dtype=torch.float64)
        self.force = torch.zeros(num_simulations, 3, dtype=torch.float64)
        self._mass = torch.zeros(num_simulations, dtype=torch.float64)

    def begin(self, ids: Tensor, key: Tensor) -> None:
        """Draws how often the object of simulations ``ids`` (n,) is pushed in the episode of keys (n,)."""
        self.probability[ids] = self._episode(key)["probability"][:, 0]
        self.force[ids] = 0.0
        self._mass[ids] = self._object_mass(ids)

    def apply(self, rows: Tensor, key: Tensor, step: Tensor) -> None:
        """Lets pushes on simulations ``rows`` (n,) fade, begins new ones, and writes them, N in the world frame."""
        drawn = self._step(key, step)
        hit = drawn["chance"] < self.probability[rows, None]
        push = drawn["acceleration"] * self._mass[rows, None]
        force = torch.where(hit, push, self._decay * self.force[rows])
        self.force[rows] = force
        self._applied[rows, self._body, :3] = force

"""What disturbs physics from outside: uneven time steps and pushes on the object (appendix C.2.5, C.2.7).

``episode`` says what an effect keeps for an episode, ``step`` what it draws anew at every step.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dexctl.physics import Physics
from dexctl.profile import schema
from dexctl.profile.distribution import Distribution
from dexctl.randomize.draw import UNIT, Drawn, Draws

# N simulations, n of them.

# Chosen: what is left of a step that is shortened, so that time goes on.
_LEAST_STEP = 0.1


class Timing:
    """Physics steps that last longer, or shorter too, all of a control step alike."""

    def __init__(self, settings: schema.Timing, timestep_s: float, physics: Physics, num_simulations: int) -> None:
        self._timestep_s = timestep_s
        self.episode = Draws("timing.episode", rate_per_s=(settings.rate_per_s, 1))
        sign = UNIT if settings.sign == "either" else 1.0
        self.step = Draws("timing.step", of_mean=(Distribution(exponential=1.0), 1), sign=(sign, 1))
        self._live = physics.model_field("opt.timestep")
        self.rate_per_s = torch.zeros(num_simulations, dtype=torch.float64)

    def begin(self, ids: Tensor, kept: Drawn) -> None:
        """Gives simulations ``ids`` (n,) the rate of an episode, and for its start the plain time step."""
        self.rate_per_s[ids] = kept["rate_per_s"][:, 0]
        self._live[ids] = self._timestep_s

    def apply(self, rows: Tensor, new: Drawn) -> None:
        """Writes the time steps of simulations ``rows`` (n,)."""
        extra = torch.where(new["sign"] < 0.5, -1.0, 1.0) * new["of_mean"]
        steps = self._timestep_s + extra[:, 0] / self.rate_per_s[rows]
        self._live[rows] = steps.clamp_min(_LEAST_STEP * self._timestep_s)


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
        self.episode = Draws("force.episode", probability=(settings.probability, 1))
        self.step = Draws("force.step", chance=(UNIT, 1), acceleration=(settings.acceleration_m_s2, 3))
        self._object_mass = object_mass
        self._applied = physics.applied_force
        self._body = object_body
        self.probability = torch.zeros(num_simulations, dtype=torch.float64)
        self.force = torch.zeros(num_simulations, 3, dtype=torch.float64)

    def begin(self, ids: Tensor, kept: Drawn) -> None:
        """Tells how often the object of simulations ``ids`` (n,) is pushed in an episode."""
        self.probability[ids] = kept["probability"][:, 0]
        self.force[ids] = 0.0

    def apply(self, rows: Tensor, new: Drawn) -> None:
        """Lets pushes on simulations ``rows`` (n,) fade, begins new ones, and writes them, N in the world frame."""
        hit = new["chance"] < self.probability[rows, None]
        push = new["acceleration"] * self._object_mass(rows)[:, None]
        force = torch.where(hit, push, self._decay * self.force[rows])
        self.force[rows] = force
        self._applied[rows, self._body, :3] = force

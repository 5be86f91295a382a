"""Many simulations at once behind one small interface, whatever engine steps them."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Physics(Protocol):
    """N simulations of one scene, stepped together.

    State tensors are live: what is written is the simulation's state at the next call, what a
    call computes is there after it. N simulations, Q and V the sizes of position and velocity,
    A actuators, S sites, B bodies.

    Attributes:
        device: where the tensors are; they are float64 on the cpu backend, float32 on Warp's.
        qpos: (N, Q); qvel: (N, V); ctrl: (N, A) targets of the position servos, rad.
        applied_force: (N, B, 6) force and torque on each body, world frame, N and N m.
        actuator_length: (N, A) rad, of the state after the last call.
        site_position: (N, S, 3) m, world frame, likewise.
        sensor: (N, D) numbers of the scene's sensors, of the last substep where they tell of contacts.
        failures: how many simulations failed since the start; steps: how many control steps were taken;
            seconds: that they took.
    """

    device: torch.device
    num_simulations: int
    qpos: Tensor
    qvel: Tensor
    ctrl: Tensor
    applied_force: Tensor
    actuator_length: Tensor
    site_position: Tensor
    sensor: Tensor
    failures: int
    steps: int
    seconds: float

    def step(self, ids: Tensor | None = None) -> Tensor:
        """Advances the simulations by one control period.

        Args:
            ids: (n,) the simulations, or None for all.

        Returns:
            (n,) ids of those that failed: MuJoCo warned about them or they are not finite. Their
            state is not to be used; place them anew.

        Raises:
            DataError: more than the profile's share of all steps failed.
        """
        ...

    def place(self, ids: Tensor, qpos: Tensor, qvel: Tensor) -> None:
        """Resets simulations ``ids`` (n,) to a state, clears what else they hold, computes their outputs."""
        ...

    def model_field(self, name: str) -> Tensor:
        """A field of the model with a value for each simulation, (N, ...), live from now on.

        Args:
            name: as MuJoCo calls it, ``body_mass`` or ``opt.gravity``.
        """
        ...

    def derive_constants(self, ids: Tensor) -> None:
        """Computes again, for simulations ``ids`` (n,), what the engine derives from fields that were written.

        Warp computes it for all, which leaves the others' as it is where their fields are.
        """
        ...

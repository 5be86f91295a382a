"""Which engine steps a scene: what a profile's ``physics.backend`` says."""

from __future__ import annotations

from pathlib import Path

import torch

from dexctl.physics import Physics
from dexctl.profile import schema
from dexctl.scene.build import HandScene


def make_physics(
    scene: HandScene, num_simulations: int, physics: schema.Physics, dump_folder: Path | None = None
) -> Physics:
    """Makes simulations of a scene, all at the model's default state.

    Where their state lies on a GPU, torch makes its tensors there from now on, so that the task's lie beside it.

    Args:
        dump_folder: where a failing simulation is written down, to be replayed; None for nowhere.

    Raises:
        UnavailableError: mujoco-warp is not installed, or has no such device.
        DataError: mujoco-warp does not simulate what is in the scene.
    """
    if physics.backend == "cpu":
        from dexctl.physics.cpu import CpuPhysics

        return CpuPhysics(scene, num_simulations, physics, dump_folder)
    from dexctl.physics.warp import WarpPhysics

    made = WarpPhysics(scene, num_simulations, physics, dump_folder)
    if made.device.type != "cpu":
        torch.set_default_device(made.device)
    return made

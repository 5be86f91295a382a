"""Where a trial starts on a robot that can be put into a state: as in an evaluation (appendix C.1)."""

from __future__ import annotations

import torch
from torch import Tensor

from dexctl.physics.cpu import CpuPhysics
from dexctl.profile import schema
from dexctl.reorient.environment import Environment
from dexctl.robot.protocol import State
from dexctl.scene.build import build_scene


class Placing:
    """Plays starts in a simulation of its own; trial i's is that of trial i of an evaluation."""

    def __init__(self, profile: schema.Profile) -> None:
        """Args: profile: of the task; its physics plays the starts."""
        self._scene = build_scene(profile)
        self._physics = CpuPhysics(self._scene, 1, profile.physics)
        self._env = Environment(profile, self._scene, self._physics, 1)
        self._warm_start = self._physics.batch.bind("qacc_warmstart")

    def state(self, key: Tensor) -> State:
        """The start of the trial with this key (1,)."""
        self._env.begin(torch.arange(1), key)
        qpos, qvel, scene = self._physics.qpos[0].numpy(), self._physics.qvel[0].numpy(), self._scene
        at, dof = scene.object_qpos, scene.object_dof
        return State(
            joint_angles=qpos[scene.joint_qpos],
            joint_velocities=qvel[scene.joint_dof],
            object_pose=qpos[at : at + 7].copy(),
            object_velocity=qvel[dof : dof + 6].copy(),
            warm_start=self._warm_start[0].copy(),
        )

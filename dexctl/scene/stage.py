"""The scene as people see it: a state and a goal put on show, apart from any physics."""

from __future__ import annotations

import mujoco
import numpy as np

from dexctl.profile import schema
from dexctl.scene import names
from dexctl.scene.build import build_scene


class Stage:
    """A scene made for pictures, posed from outside.

    Attributes:
        model: with lights, cameras and the goal's twin.
        data: the pose on show.
    """

    def __init__(self, profile: schema.Profile) -> None:
        """Builds the scene; nothing in it moves by itself."""
        self.model = build_scene(profile, pictures=True).model
        self.data = mujoco.MjData(self.model)
        self._mocap = int(self.model.body(names.TARGET).mocapid[0])

    def pose(self, qpos: np.ndarray, goal_wxyz: np.ndarray, time_s: float) -> None:
        """Shows a state.

        Args:
            qpos: (Q,) of the hand and the object, in the training scene's order.
            goal_wxyz: (4,) orientation that the object is to reach.
            time_s: what a viewer's clock shows.
        """
        self.data.qpos[:] = qpos
        self.data.mocap_quat[self._mocap] = goal_wxyz
        self.data.time = time_s
        mujoco.mj_forward(self.model, self.data)

    def between(self, before: np.ndarray, after: np.ndarray, fraction: float) -> np.ndarray:
        """The state (Q,) part of the way from one to the other, rotations along their arc."""
        velocity = np.empty(self.model.nv)
        mujoco.mj_differentiatePos(self.model, velocity, 1.0, before, after)
        qpos = before.copy()
        mujoco.mj_integratePos(self.model, qpos, velocity, fraction)
        return qpos

"""The physics of a simulated robot: motors, tendons with slack, contacts, and what happened lately.

Floor 4, but without torch: a served robot starts in a second and keeps its memory pinned.
"""

from __future__ import annotations

import mujoco
import numpy as np

from dexctl.profile import schema
from dexctl.robot import gap
from dexctl.robot.protocol import State
from dexctl.scene.build import Scene, build_scene

# History before now that any sensor may ask for.
_MEMORY_S = 0.25


class Body:
    """One hand and its object, stepped by the low-level loop.

    Attributes:
        scene: with this robot's own numbers in its model.
        data: MuJoCo's, with everything that depends on the position fresh.
        turns: of the loop, for one step of physics.
        steps: of physics so far; row ``steps % rows`` of the history is the newest.
        failed: the simulation broke; only placing it anew helps.
    """

    def __init__(self, profile: schema.Profile, robot: schema.Robot, member: gap.Member) -> None:
        """Builds the robot; its hand is open and its object where it is let go."""
        self.scene: Scene = build_scene(gap.sized(profile, member))
        self.turns = gap.apply(self.scene, robot.gap, member, robot.loop_period_s)
        model = self.scene.model
        self.data = mujoco.MjData(model)
        self._model = model
        # Views of MuJoCo's own memory: asking for one takes as long as writing to it.
        self._ctrl, self._length, self._force = self.data.ctrl, self.data.actuator_length, self.data.actuator_force
        self._qpos, self._qvel, self._sites = self.data.qpos, self.data.qvel, self.data.site_xpos
        self._warnings = self.data.warning
        self.timestep_s = float(model.opt.timestep)
        self.reads = _actuator_matrix(self.scene)
        self.failed = False
        self.steps = 0
        self._exact = gap.is_exact(member)
        self._bias = self.reads @ member.joint_bias_rad
        self._slack, self._no_slack = member.slack_rad, -member.slack_rad
        self._error = np.zeros(model.nu)
        self._dead = np.zeros(model.nu)
        self._low, self._high = model.actuator_ctrlrange[:, 0].copy(), model.actuator_ctrlrange[:, 1].copy()
        self._site_count = len(self.scene.fingertip_sites)
        self.rows = round(_MEMORY_S / self.timestep_s) + 2
        self.history = History(self.rows, len(self.scene.joint_qpos), model.nu, self._site_count)
        joints = self.scene.joint_qpos
        ranges = model.jnt_range[self.scene.joint_ids]
        open_hand = model.qpos0[joints].clip(ranges[:, 0], ranges[:, 1])
        at = self.scene.object_qpos
        self.place(State(open_hand, np.zeros(len(joints)), model.qpos0[at : at + 7], np.zeros(6), np.zeros(model.nv)))

    def place(self, state: State) -> None:
        """Puts hand and object into a state; what was measured before is forgotten."""
        data, scene = self.data, self.scene
        mujoco.mj_resetData(scene.model, data)
        data.qpos[scene.joint_qpos], data.qvel[scene.joint_dof] = state.joint_angles, state.joint_velocities
        at, dof = scene.object_qpos, scene.object_dof
        data.qpos[at : at + 7], data.qvel[dof : dof + 6] = state.object_pose, state.object_velocity
        mujoco.mj_step1(scene.model, data)
        # mj_step1 leaves the solver's start alone; mj_step2 reads it.
        data.qacc_warmstart[:] = state.warm_start
        self.failed = False
        for row in range(self.rows):
            self._record(row)

    def step(self, target_rad: np.ndarray | None) -> None:
        """One step of physics towards a target of each motor, or with the motors let go.

        Args:
            target_rad: (A,) or None.
        """
        if target_rad is None:
            self._ctrl[:] = self._length
        elif self._exact:
            self._ctrl[:] = target_rad
        else:
            # The motor pulls only once its tendon is taut, and knows its angle through a biased sensor.
            error, dead = self._error, self._dead
            np.subtract(target_rad, self._length, out=error)
            error -= self._bias
            np.minimum(error, self._slack, out=dead)
            np.maximum(dead, self._no_slack, out=dead)
            error -= dead
            np.add(self._length, error, out=self._ctrl)
        mujoco.mj_step2(self._model, self.data)
        mujoco.mj_step1(self._model, self.data)
        # As an array: one by one, the warnings cost more than the physics.
        self.failed = self.failed or bool(self._warnings.number.any())
        self._record((self.steps + 1) % self.rows)
        # Only now: another thread reads the row that this names.
        self.steps += 1

    def sensed_lengths(self) -> np.ndarray:
        """(A,) rad: the motors' angles as their sensors have them now."""
        return self.history.lengths[self.steps % self.rows] + self._bias

    def target_of(self, change_rad: np.ndarray) -> np.ndarray:
        """(A,) rad: where a change (A,) leads to from here, within the motors' ranges."""
        return np.clip(self.sensed_lengths() + change_rad, self._low, self._high)

    def _record(self, row: int) -> None:
        scene, history = self.scene, self.history
        history.angles[row] = self._qpos[scene.joint_qpos]
        history.velocities[row] = self._qvel[scene.joint_dof]
        history.lengths[row] = self._length
        history.torques[row] = self._force
        history.markers[row] = self._sites[scene.fingertip_sites]
        at, dof = scene.object_qpos, scene.object_dof
        history.object_pose[row] = self._qpos[at : at + 7]
        history.object_velocity[row] = self._qvel[dof : dof + 6]


class History:
    """What happened in the last moments, one row for each step of physics, the oldest overwritten.

    One thread writes; others may read, since a row is overwritten long after it was the newest.
    """

    def __init__(self, rows: int, joints: int, actuators: int, markers: int) -> None:
        self.angles = np.zeros((rows, joints))
        self.velocities = np.zeros((rows, joints))
        self.lengths = np.zeros((rows, actuators))
        self.torques = np.zeros((rows, actuators))
        self.markers = np.zeros((rows, markers, 3))
        self.object_pose = np.zeros((rows, 7))
        self.object_velocity = np.zeros((rows, 6))


def _actuator_matrix(scene: Scene) -> np.ndarray:
    """(A, J): how much each motor's angle changes with each joint's."""
    model = scene.model
    column = {int(joint): index for index, joint in enumerate(scene.joint_ids)}
    matrix = np.zeros((model.nu, len(scene.joint_ids)))
    for actuator in range(model.nu):
        driven = int(model.actuator_trnid[actuator, 0])
        if model.actuator_trntype[actuator] == mujoco.mjtTrn.mjTRN_JOINT:
            matrix[actuator, column[driven]] = model.actuator_gear[actuator, 0]
            continue
        start = model.tendon_adr[driven]
        for wrap in range(start, start + model.tendon_num[driven]):
            matrix[actuator, column[int(model.wrap_objid[wrap])]] = model.wrap_prm[wrap]
    return matrix

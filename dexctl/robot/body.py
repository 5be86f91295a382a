"""The physics of a simulated robot: motors, tendons with slack, contacts, and what happened lately.

Floor 4, but without torch: a served robot starts in a second and keeps its memory pinned.
"""

from __future__ import annotations

import math

import mujoco
import numpy as np

from dexctl.profile import schema
from dexctl.robot import gap
from dexctl.robot.protocol import State
from dexctl.scene.build import Scene, build_scene

# A thread that reads the history may be held up for so long before what it reads is overwritten.
_MARGIN_S = 0.2


class Body:
    """One hand and its object, stepped by the low-level loop.

    Attributes:
        scene: with this robot's own numbers in its model.
        data: MuJoCo's, with everything that depends on the position fresh.
        turns: of the loop, for one step of physics.
        steps: of physics so far; row ``steps % rows`` of the history is the newest.
        placings: how often it was put into a state.
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
        self._warnings = self.data.warning.number
        self._calm = self._warnings.tolist()
        self.timestep_s = float(model.opt.timestep)
        self.reads = _actuator_matrix(self.scene)
        self.failed = False
        self.placings = self.steps = 0
        self._exact = gap.is_exact(member)
        self._bias = self.reads @ member.joint_bias_rad
        self._slack = member.slack_rad
        self._aimed: np.ndarray | None = None
        self._taut_low, self._taut_high = np.full(model.nu, -np.inf), np.full(model.nu, np.inf)
        self._low, self._high = model.actuator_ctrlrange[:, 0].copy(), model.actuator_ctrlrange[:, 1].copy()
        self._asked = math.ceil(gap.looks_back_s(robot.sensors, member) / self.timestep_s) + 2
        self.rows = self._asked + math.ceil(_MARGIN_S / self.timestep_s)
        self.history = History(self.rows, self.scene)
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
        self.placings += 1

    def step(self, target_rad: np.ndarray | None, count: int = 1) -> None:
        """Steps the physics towards a target of each motor, or with the motors let go.

        Args:
            target_rad: (A,), not written to afterwards, or None.
            count: of steps; of many only the last ones, that a sensor may still ask for, enter the history.
        """
        if target_rad is not self._aimed:
            self._aim(target_rad)
        model, data, length, ctrl = self._model, self.data, self._length, self._ctrl
        low, high = self._taut_low, self._taut_high
        unasked = max(0, count - self._asked)
        if self._exact and target_rad is not None and unasked:
            # Nothing between these steps depends on how far the last one came: they are one call.
            ctrl[:] = low
            mujoco.mj_step2(model, data)
            mujoco.mj_step(model, data, unasked - 1)
            mujoco.mj_step1(model, data)
            count -= unasked
            self.steps += unasked
        for left in range(count - 1, -1, -1):
            # A motor pulls only once its tendon is taut.
            np.maximum(length, low, out=ctrl)
            np.minimum(ctrl, high, out=ctrl)
            mujoco.mj_step2(model, data)
            mujoco.mj_step1(model, data)
            if left < self._asked:
                self._record((self.steps + 1) % self.rows)
            # Only now: another thread reads the row that this names.
            self.steps += 1
        # As a list: an array's any() takes a tenth of the physics' time.
        self.failed = self.failed or self._warnings.tolist() != self._calm

    def _aim(self, target_rad: np.ndarray | None) -> None:
        """Notes between which angles of a motor its tendon hangs slack; a motor that was let go never pulls."""
        self._aimed = target_rad
        if target_rad is None:
            self._taut_low, self._taut_high = np.full_like(self._slack, -np.inf), np.full_like(self._slack, np.inf)
            return
        # A motor knows its angle through a biased sensor.
        aim = target_rad - self._bias
        self._taut_low, self._taut_high = aim - self._slack, aim + self._slack

    def sensed_lengths(self) -> np.ndarray:
        """(A,) rad: the motors' angles as their sensors have them now."""
        return self.history.lengths[self.steps % self.rows] + self._bias

    def target_of(self, change_rad: np.ndarray) -> np.ndarray:
        """(A,) rad: where a change (A,) leads to from here, within the motors' ranges."""
        return np.clip(self.sensed_lengths() + change_rad, self._low, self._high)

    def _record(self, row: int) -> None:
        history = self.history
        history.qpos[row], history.qvel[row] = self._qpos, self._qvel
        history.lengths[row], history.torques[row] = self._length, self._force
        history.sites[row] = self._sites


class History:
    """What happened in the last moments, one row for each step of physics, the oldest overwritten.

    One thread writes; others may read, since a row is overwritten long after it was the newest. Rows are kept as
    MuJoCo has them, and what is asked for is picked out when it is: there are forty steps to one question.

    Attributes:
        qpos, qvel, sites: (R, Q), (R, V) and (R, S, 3); lengths, torques: (R, A) of the motors.
    """

    def __init__(self, rows: int, scene: Scene) -> None:
        """Args: rows: R."""
        model = scene.model
        self._scene = scene
        self.qpos, self.qvel = np.zeros((rows, model.nq)), np.zeros((rows, model.nv))
        self.lengths, self.torques = np.zeros((rows, model.nu)), np.zeros((rows, model.nu))
        self.sites = np.zeros((rows, model.nsite, 3))

    def angles(self, row: int) -> np.ndarray:
        """(J,) rad, of the joints."""
        return self.qpos[row, self._scene.joint_qpos]

    def velocities(self, row: int) -> np.ndarray:
        """(J,) rad/s, of the joints."""
        return self.qvel[row, self._scene.joint_dof]

    def markers(self, row: int) -> np.ndarray:
        """(5, 3) m, of the fingertips."""
        return self.sites[row, self._scene.fingertip_sites]

    def object_pose(self, row: int) -> np.ndarray:
        """(7,) position, m, and wxyz."""
        at = self._scene.object_qpos
        return self.qpos[row, at : at + 7].copy()

    def object_velocity(self, row: int) -> np.ndarray:
        """(6,) as MuJoCo keeps a free body's: linear in the world's frame, angular in its own."""
        dof = self._scene.object_dof
        return self.qvel[row, dof : dof + 6].copy()


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

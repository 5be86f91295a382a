"""Recorded actions played again, from recorded states, by many hands at once."""

from __future__ import annotations

import dataclasses

import msgspec
import numpy as np
import torch
from torch import Tensor

from dexctl.calibrate.fingers import FINGERS, fingers
from dexctl.calibrate.parameters import ACTUATOR_KINDS, JOINT_KINDS, HandNumbers
from dexctl.calibrate.part_scene import build_part_scene, parts_of
from dexctl.physics.cpu import CpuPhysics
from dexctl.profile import schema
from dexctl.randomize.action import Backlash
from dexctl.reorient.action import RelativeTargets
from dexctl.scene.build import build_hand_scene

# Fields of the model, and the kinds of numbers that stand in them.
_JOINT_FIELDS = {"jnt_stiffness": "stiffness", "jnt_margin": "margin"}
_DOF_FIELDS = {"dof_damping": "damping", "dof_frictionloss": "friction_loss"}
_OTHER_FIELDS = ("jnt_range", "qpos_spring", "actuator_gainprm", "actuator_biasprm", "actuator_forcerange")

# B hands, W windows, S steps of a window, J joints and A actuators that are simulated; n simulations at once.


@dataclasses.dataclass(frozen=True)
class Motion:
    """What a recording says of one robot's motion: T moments, one control period apart.

    Attributes:
        angles_rad: (T, 24); velocities_rad_s: (T, 24).
        actions: (T, 20) in [-1, 1], what the motors were told right after each moment.
    """

    angles_rad: np.ndarray
    velocities_rad_s: np.ndarray
    actions: np.ndarray


class Replay:
    """A batch of simulated hands, each with numbers of its own, with nothing to hold.

    Attributes:
        joints: (J,) of the hand's joints, those that are simulated; actuators: (A,) likewise.
    """

    def __init__(self, profile: schema.Profile, num_simulations: int, alone: str = "") -> None:
        """Makes the batch.

        Args:
            profile: its hand with its control ranges, its physics, actions and backlash.
            alone: the only finger that moves, or the wrist, see ``build_part_scene``; empty for the whole hand.
        """
        parts = fingers(parts_of(alone) if alone else FINGERS)
        self.joints = np.concatenate([part.joints for part in parts])
        self.actuators = np.concatenate([part.actuators for part in parts])
        scene = build_part_scene(profile, alone) if alone else build_hand_scene(profile)
        # A probe may be a hand that no solver can step: it loses, and stops nothing.
        self.physics = CpuPhysics(scene, num_simulations, msgspec.structs.replace(profile.physics, failure_share=1.0))
        self.num_simulations = num_simulations
        self.control_period_s = profile.physics.timestep_s * profile.physics.substeps
        self._scene = scene
        self._targets = RelativeTargets(
            torch.from_numpy(scene.model.actuator_ctrlrange.copy()),
            msgspec.structs.replace(profile.action, hold={}),
        )
        self._settings = profile.randomize.unmodeled.backlash
        self._backlash = self._new_backlash(num_simulations)
        fields = (*_JOINT_FIELDS, *_DOF_FIELDS, *_OTHER_FIELDS)
        self._fields = {name: self.physics.model_field(name) for name in fields}

    def _new_backlash(self, count: int) -> Backlash:
        # The speeds are written for each hand: these are only the shape.
        return Backlash(self._settings, [(0.0, 0.0)] * len(self.actuators), self.control_period_s, count)

    def windows(self, motion: Motion, hands: HandNumbers, starts: np.ndarray, steps: int) -> np.ndarray:
        """Plays every window with every hand.

        Args:
            starts: (W,) first moment of each window.
            steps: control steps of a window.

        Returns:
            (B, W, S, J) angles after each step, rad; NaN from where a simulation failed.
        """
        hands = HandNumbers(hands.joints[:, self.joints], hands.actuators[:, self.actuators])
        motion = Motion(
            motion.angles_rad[:, self.joints],
            motion.velocities_rad_s[:, self.joints],
            motion.actions[:, self.actuators],
        )
        count, windows = len(hands.joints), len(starts)
        slack = self._slack(motion, hands, starts)
        found = np.empty((count * windows, steps, len(self.joints)))
        for first in range(0, count * windows, self.num_simulations):
            jobs = np.arange(first, min(first + self.num_simulations, count * windows))
            hand, window = np.divmod(jobs, windows)
            found[jobs] = self._play(motion, hands, hand, starts[window], slack[hand, window], steps)
        return found.reshape(count, windows, steps, -1)

    def _slack(self, motion: Motion, hands: HandNumbers, starts: np.ndarray) -> Tensor:
        """Where each tendon hangs when a window begins, (B, W, A): it depends on the actions alone."""
        speeds, which = np.unique(_backlash_log(hands), axis=0, return_inverse=True)
        speed = self._speed(speeds).numpy()
        at = {int(start): column for column, start in enumerate(starts)}
        found = np.zeros((len(speeds), len(starts), len(self.actuators)))
        slack = np.zeros((len(speeds), len(self.actuators)))
        actions = np.where(np.abs(motion.actions) < self._settings.dead_zone, 0.0, motion.actions)
        for moment, action in enumerate(actions[: int(starts.max(initial=-1)) + 1]):
            if moment in at:
                found[:, at[moment]] = slack
            slack += np.where(action < 0, speed[..., 0], speed[..., 1]) * (action * self.control_period_s)
            np.clip(slack, -1.0, 1.0, out=slack)
        return torch.from_numpy(found[which.reshape(-1)])

    def _speed(self, log_speed: np.ndarray) -> Tensor:
        return torch.exp(torch.from_numpy(log_speed)).clamp_min(self._settings.slowest_per_s)

    def _play(
        self, motion: Motion, hands: HandNumbers, hand: np.ndarray, starts: np.ndarray, slack: Tensor, steps: int
    ) -> np.ndarray:
        physics, ids = self.physics, torch.arange(len(hand))
        self._write(ids, hands, hand)
        self._backlash.slack[ids] = slack
        qpos = torch.zeros(len(ids), physics.qpos.shape[1], dtype=torch.float64)
        qvel = torch.zeros(len(ids), physics.qvel.shape[1], dtype=torch.float64)
        qpos[:, self._scene.joint_qpos] = torch.from_numpy(motion.angles_rad[starts])
        qvel[:, self._scene.joint_dof] = torch.from_numpy(motion.velocities_rad_s[starts])
        physics.place(ids, qpos, qvel)
        found = np.empty((len(ids), steps, len(self.joints)))
        failed = np.zeros(len(ids), dtype=bool)
        actions = torch.from_numpy(motion.actions)
        whole = None if len(ids) == self.num_simulations else ids
        for step in range(steps):
            pulled = self._backlash.apply(ids, actions[starts + step])
            physics.ctrl[ids] = self._targets(pulled, physics.actuator_length[ids], ids)
            failed[physics.step(whole).numpy()] = True
            found[:, step] = physics.qpos[ids][:, self._scene.joint_qpos].numpy()
            found[failed, step] = np.nan
        return found

    def _write(self, ids: Tensor, hands: HandNumbers, hand: np.ndarray) -> None:
        """Writes the numbers of hand ``hand[i]`` into simulation i."""
        joints = {kind: torch.from_numpy(hands.joints[hand, :, k]) for k, kind in enumerate(JOINT_KINDS)}
        actuators = {kind: torch.from_numpy(hands.actuators[hand, :, k]) for k, kind in enumerate(ACTUATOR_KINDS)}
        n, scene = len(ids), self._scene
        for name, kind in _JOINT_FIELDS.items():
            self._fields[name][:n, scene.joint_ids] = joints[kind]
        for name, kind in _DOF_FIELDS.items():
            self._fields[name][:n, scene.joint_dof] = joints[kind]
        self._fields["qpos_spring"][:n, scene.joint_qpos] = joints["equilibrium"]
        limits = torch.stack((joints["lower_limit"], joints["upper_limit"]), dim=-1)
        self._fields["jnt_range"][:n, scene.joint_ids] = limits
        # Torque = gain x target - gain x angle: both halves of the servo's law.
        self._fields["actuator_gainprm"][:n, :, 0] = actuators["gain"]
        self._fields["actuator_biasprm"][:n, :, 1] = -actuators["gain"]
        force = actuators["force_limit"]
        self._fields["actuator_forcerange"][:n] = torch.stack((-force, force), dim=-1)
        self._backlash.speed[:n] = self._speed(_backlash_log(hands)[hand])


def _backlash_log(hands: HandNumbers) -> np.ndarray:
    inward = ACTUATOR_KINDS.index("backlash_inward")
    return hands.actuators[:, :, inward : inward + 2]

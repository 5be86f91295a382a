"""A hand whose numbers nobody knows: drawn from a seed, moved through the calibration's script, and recorded.

It stands in for a robot where the calibration is measured and tested. From the shell it writes the profile of such
a robot, for ``dexctl simulate --serve``:

    python tools/bench/drawn_hand.py --seed 3 -o robot.toml
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import msgspec
import numpy as np
import torch
import zarr

from dexctl.calibrate.fingers import Finger, fingers
from dexctl.calibrate.motions import Script
from dexctl.calibrate.replay import Motion
from dexctl.physics.cpu import CpuPhysics
from dexctl.profile import schema
from dexctl.profile.load import load
from dexctl.profile.write import write_toml
from dexctl.randomize.action import Backlash
from dexctl.reorient.action import RelativeTargets
from dexctl.scene import names
from dexctl.scene.build import build_hand_scene
from dexctl.store.recordings import RecordingMetadata, RecordingWriter, columns

# As robot/twin's: three of the training's physics steps.
_VELOCITY_WINDOW_S = 0.024


@dataclasses.dataclass(frozen=True)
class Spread:
    """How far a drawn hand is from the one it is drawn around: standard deviations, of factors of their logarithm."""

    damping: float = 0.5
    friction_loss: float = 0.5
    stiffness: float = 0.01
    equilibrium_rad: float = 0.2
    margin_rad: float = 0.003
    limit_rad: float = 0.06
    gain: float = 0.4
    force_limit: float = 0.3
    backlash: float = 0.3


def draw_hand(around: schema.Hand, seed: int, spread: Spread | None = None) -> schema.Hand:
    """A hand near another one, from a seed."""
    wide, rng = spread or Spread(), np.random.default_rng(seed)

    def factor(deviation: float, most: float = 1.5) -> float:
        return float(np.exp(np.clip(rng.normal(0.0, deviation), -most * deviation, most * deviation)))

    joints = {}
    for name, joint in around.joints.items():
        low, high = joint.range_rad
        shift = np.clip(rng.normal(0.0, wide.limit_rad, 2), -0.15, 0.15)
        room = 0.2 * (high - low)
        joints[name] = schema.Joint(
            range_rad=(low + float(np.clip(shift[0], -room, room)), high + float(np.clip(shift[1], -room, room))),
            damping=joint.damping * factor(wide.damping),
            friction_loss=joint.friction_loss * factor(wide.friction_loss),
            stiffness=abs(joint.stiffness + rng.normal(0.0, wide.stiffness)),
            spring_reference_rad=joint.spring_reference_rad + rng.normal(0.0, wide.equilibrium_rad),
            margin_rad=abs(joint.margin_rad + rng.normal(0.0, wide.margin_rad)),
        )
    actuators = {
        name: msgspec.structs.replace(
            one,
            gain=one.gain * factor(wide.gain),
            force_limit_nm=one.force_limit_nm * factor(wide.force_limit),
            backlash_log=tuple(min(4.5, max(0.8, log + rng.normal(0.0, wide.backlash))) for log in one.backlash_log),
        )
        for name, one in around.actuators.items()
    }
    return msgspec.structs.replace(around, joints=joints, actuators=actuators)


def record(
    profile: schema.Profile,
    parts: tuple[Finger, ...] = tuple(fingers()),
    noise_rad: float = 0.0,
    delay_steps: int = 0,
    seed: int = 0,
) -> Motion:
    """Moves a profile's hand through the script and records it.

    Args:
        noise_rad: standard deviation of every sensed angle.
        delay_steps: sensed angles are so many physics steps old.
    """
    scene = build_hand_scene(profile)
    one_step = msgspec.structs.replace(profile.physics, substeps=1, threads=1)
    physics, rng = CpuPhysics(scene, 1, one_step), np.random.default_rng(seed)
    substeps = profile.physics.substeps
    period_s = profile.physics.timestep_s * substeps
    backlash = Backlash(
        profile.randomize.unmodeled.backlash,
        [profile.hand.actuators[name].backlash_log for name in names.ACTUATORS],
        period_s,
        1,
    )
    backlash.speed[:] = torch.exp(backlash.log_speed).clamp_min(profile.randomize.unmodeled.backlash.slowest_per_s)
    targets = RelativeTargets(torch.from_numpy(scene.model.actuator_ctrlrange.copy()), profile.action, names.ACTUATORS)
    control = [profile.hand.actuators[name].control_range_rad for name in names.ACTUATORS]
    script = Script(np.array(control), profile.action.range_fraction, period_s, parts)
    joints = torch.from_numpy(scene.joint_qpos)
    lengths = _transmission()
    row = torch.zeros(1, dtype=torch.int64)
    angles, actions = [], []
    past = [physics.qpos[0, joints].numpy().copy()] * (delay_steps + 1)
    while True:
        sensed = past[-1 - delay_steps] + rng.normal(0.0, noise_rad, len(joints)) * (noise_rad > 0)
        action = script.next(lengths @ sensed)
        if action is None:
            break
        angles.append(sensed)
        actions.append(action)
        pulled = backlash.apply(row, torch.from_numpy(action)[None])
        physics.ctrl[:] = targets(pulled, physics.actuator_length, row)
        for _ in range(substeps):
            physics.step()
            past.append(physics.qpos[0, joints].numpy().copy())
        del past[: -1 - delay_steps]
    found = np.array(angles)
    return Motion(found, np.gradient(found, period_s, axis=0), np.array(actions))


def _transmission() -> np.ndarray:
    """(A, J) how each actuator's angle sums its joints'."""
    matrix = np.zeros((len(names.ACTUATED), len(names.JOINTS)))
    for row, joint in enumerate(names.ACTUATED):
        for one in (joint, names.COUPLED.get(joint)):
            if one:
                matrix[row, names.JOINTS.index(one)] = 1.0
    return matrix


def write_recording(path: Path, profile: schema.Profile, motion: Motion, period_s: float = 0.08) -> None:
    """Writes a motion as a robot's recording; numbers that are not finite are written too."""
    hand, control = profile.hand, [one.control_range_rad for one in profile.hand.actuators.values()]
    features = {
        "name": "drawn hand",
        "joints": list(names.JOINTS),
        "actuators": list(names.ACTUATORS),
        "joint_range_rad": [list(one.range_rad) for one in hand.joints.values()],
        "control_range_rad": [list(one) for one in control],
    }
    metadata = RecordingMetadata(
        profile={},
        profile_digest="",
        policy="script",
        robot="drawn",
        features=features,
        senses=["joint_angles", "joint_velocities"],
        seed=0,
        period_s=period_s,
        started="",
    )
    layout = columns(len(names.JOINTS), len(names.ACTUATORS))
    count = len(motion.angles_rad)
    rows = {name: np.zeros((count, *column.shape), column.dtype) for name, column in layout.items()}
    rows["robot_time_s"][:] = rows["time_s"][:] = period_s * np.arange(count)
    rows["joint_angles_rad"][:] = np.nan_to_num(motion.angles_rad)
    rows["joint_velocities_rad_s"][:] = np.nan_to_num(motion.velocities_rad_s)
    rows["change_sent_rad"][:] = motion.actions * 0.5 * np.ptp(np.array(control), axis=1)
    with RecordingWriter(path, metadata, layout) as writer:
        writer.append(rows)
    # The writer refuses what is not finite, as robots may send it.
    array = zarr.open_group(store=str(path), mode="r+")["joint_angles_rad"]
    for moment in np.flatnonzero(~np.isfinite(motion.angles_rad).all(axis=1)):
        array[int(moment)] = motion.angles_rad[moment]


def robot_toml(around: schema.Hand, seed: int, noise_rad: float, delay_s: float) -> str:
    """The profile of a served robot with a drawn hand and no other gap.

    Args:
        noise_rad: standard deviation of every sensed angle; velocities are differences of such angles.
        delay_s: age of what the joints' sensors say.
    """
    hand = draw_hand(around, seed)
    sensors = {"joint_noise_rad": [noise_rad, noise_rad], "joint_delay_s": [delay_s, delay_s]}
    tables = {
        "description": f"A robot whose hand was drawn, number {seed}",
        "inherits": "robot/same",
        "hand": {
            "gains": "2018",
            "dry_friction": True,
            "joints": msgspec.to_builtins(hand.joints),
            "actuators": msgspec.to_builtins(hand.actuators),
        },
        "robot": {
            "name": f"drawn hand {seed}",
            "sensors": {**sensors, "velocity_window_s": _VELOCITY_WINDOW_S if noise_rad or delay_s else 0.0},
        },
    }
    return write_toml(tables, {}, "Written by tools/bench/drawn_hand.py: the truth that a calibration has to find.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--noise-deg", type=float, default=0.0)
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("-o", "--output", type=Path, required=True)
    asked = parser.parse_args()
    shadow = load("block-paper", ["physics.threads=1"], {}).profile.hand
    text = robot_toml(shadow, asked.seed, float(np.deg2rad(asked.noise_deg)), asked.delay_ms / 1000)
    asked.output.write_text(text, encoding="utf-8")

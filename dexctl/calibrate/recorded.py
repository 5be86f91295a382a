"""From a recording on disk to the motion that is fitted, and what in it is not sound."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dexctl.calibrate.replay import Motion
from dexctl.calibrate.sensors import corrected
from dexctl.calibrate.soundness import unsound
from dexctl.errors import DataError
from dexctl.profile import schema
from dexctl.scene import names
from dexctl.store.recordings import Recording

# Of the control period, as the robot's clock shows it from one row to the next.
_PERIOD_TOLERANCE = 0.05
_GAP = 0.25
_READ = ("robot_time_s", "joint_angles_rad", "joint_velocities_rad_s", "change_sent_rad")


@dataclasses.dataclass(frozen=True)
class Recorded:
    """A recording, ready to be cut.

    Attributes:
        motion: T moments; what cannot be read is filled from its neighbours.
        unsound: by reason, (T, J) readings that are not to be trusted.
        digest: hex blake2b-128 of everything that was read.
        reported_rad: (T, J) what the robot reported of its joints, before the hand's sensor tables.
        fingertips_m: (T, 5, 3) markers in the world, or None where they were not sensed.
        seconds: of motion.
    """

    motion: Motion
    unsound: Mapping[str, np.ndarray]
    digest: str
    reported_rad: np.ndarray
    fingertips_m: np.ndarray | None
    seconds: float


def read_recording(path: Path, profile: schema.Profile) -> Recorded:
    """Reads a recording of the profile's hand.

    Raises:
        MissingError: there is none.
        DataError: it is of another hand, of another rate, without joint angles, or damaged.
    """
    recording = Recording(path)
    # Numbers that are not finite cost a joint its windows, not the user the recording.
    recording.columns |= {name: dataclasses.replace(recording.columns[name], check="") for name in _READ}
    _check_hand(path, recording.metadata.features, recording.metadata.senses)
    period_s = profile.physics.timestep_s * profile.physics.substeps
    rows = recording.read(0, len(recording), (*_READ, "fingertip_markers_m"))
    _check_rate(path, recording.metadata.period_s, rows["robot_time_s"], period_s)
    angles = rows["joint_angles_rad"].astype(np.float64)
    reported, missing = _filled(angles)
    whole = corrected(profile.hand, reported)
    sensed = "joint_velocities" in recording.metadata.senses
    velocities = rows["joint_velocities_rad_s"] if sensed else np.gradient(whole, period_s, axis=0)
    velocities = np.where(np.isfinite(velocities), velocities, 0.0)
    changes = np.nan_to_num(rows["change_sent_rad"])
    motion = Motion(whole, velocities, np.clip(changes / reach_rad(profile), -1.0, 1.0))
    step_s = np.diff(rows["robot_time_s"], append=rows["robot_time_s"][-1:] + period_s)
    # Where a command was lost, nobody knows what the motors did.
    lost = ~np.isfinite(rows["change_sent_rad"]).all(axis=1)
    gaps = (np.abs(step_s - period_s) > _GAP * period_s) | ~np.isfinite(step_s) | lost
    markers = rows["fingertip_markers_m"] if "fingertip_markers" in recording.metadata.senses else None
    return Recorded(motion, unsound(motion, missing, gaps), _digest(rows), reported, markers, len(angles) * period_s)


def reach_rad(profile: schema.Profile) -> np.ndarray:
    """(A,) what a full action adds to each actuator's angle, rad."""
    control = np.array([profile.hand.actuators[name].control_range_rad for name in names.ACTUATORS])
    return 0.5 * profile.action.range_fraction * np.ptp(control, axis=1)


def _check_hand(path: Path, features: Mapping[str, object], senses: list[str]) -> None:
    for key, wanted in (("joints", names.JOINTS), ("actuators", names.ACTUATORS)):
        given = features.get(key)
        found = [str(name) for name in given] if isinstance(given, list | tuple) else []
        if tuple(found) != wanted:
            other = [name for name in found if name not in wanted] or [name for name in wanted if name not in found]
            raise DataError(
                f"{path}: a recording of another hand: its {key} differ in {', '.join(other[:6]) or 'their order'}",
                "Calibrate with a recording of the hand that the profile describes.",
            )
    if "joint_angles" not in senses:
        raise DataError(f"{path}: the robot did not sense its joints' angles", "They are what the fit compares.")


def _check_rate(path: Path, told_s: float, times_s: np.ndarray, period_s: float) -> None:
    steps = np.diff(times_s)
    steps = steps[np.isfinite(steps)]
    if not len(steps):
        raise DataError(f"{path}: {len(times_s)} rows are no motion", "Record the calibration's motions.")
    for what, found_s in (("says", told_s), ("has", float(np.median(steps)))):
        if abs(found_s - period_s) > _PERIOD_TOLERANCE * period_s:
            raise DataError(
                f"{path}: the recording {what} {found_s:.3g} s from row to row, the profile {period_s:.3g} s",
                "Give the profile that it was recorded with, or record at its rate.",
            )


def _filled(angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Angles without holes, each from its neighbours in time, and where the holes were."""
    missing, filled = ~np.isfinite(angles), angles.copy()
    moments = np.arange(len(angles))
    for joint in np.flatnonzero(missing.any(axis=0)):
        there = ~missing[:, joint]
        filled[:, joint] = np.interp(moments, moments[there], angles[there, joint]) if there.any() else 0.0
    return filled, missing


def _digest(rows: Mapping[str, np.ndarray]) -> str:
    found = hashlib.blake2b(digest_size=16)
    for name in sorted(rows):
        found.update(name.encode())
        found.update(np.ascontiguousarray(rows[name]).tobytes())
    return found.hexdigest()

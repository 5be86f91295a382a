"""Trials that were recorded on a robot, scored like those of a simulation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dexctl.errors import DataError
from dexctl.evaluate.tracks import Track
from dexctl.evaluate.trials import Trial
from dexctl.reorient.rules import End
from dexctl.robot.control import LATE_S
from dexctl.scene.build import Scene
from dexctl.store.recordings import Recording

# T control steps, Q positions.

_NEEDED = ("trial", "step", "reached", "end")
_POSE = ("joint_angles_rad", "object_position_m", "object_orientation_wxyz")
_TRACK = (*_POSE, "trial", "goal_wxyz", "angle_rad", "reached")


def recorded_trials(recording: Recording) -> list[Trial]:
    """The trials of a recording, in order; one that broke off ends with ``error``.

    Raises:
        DataError: it holds no trial, or ends that do not exist.
    """
    rows = recording.read(0, len(recording), _NEEDED)
    period_s = recording.metadata.period_s
    trials = []
    for index in np.unique(rows["trial"]).tolist():
        of_trial = rows["trial"] == index
        steps, reached = rows["step"][of_trial], np.flatnonzero(rows["reached"][of_trial])
        last = int(rows["end"][of_trial][-1])
        try:
            end = End(last)
        except ValueError as error:
            raise DataError(f"{recording.path}: trial {index} ends with {last}, which is no end") from error
        announced = np.concatenate(([0], reached[:-1] + 1)) if len(reached) else np.zeros(0, int)
        trials.append(
            Trial(
                index=index,
                goals=len(reached),
                end=(End.ERROR if end == End.RUNNING else end).name.lower(),
                seconds=len(steps) * period_s,
                goal_seconds=tuple(((reached + 1 - announced) * period_s).tolist()),
            )
        )
    if not trials:
        raise DataError(f"{recording.path}: a recording without a whole step")
    return trials


def recorded_timing(recording: Recording) -> dict[str, float]:
    """When the control steps of a recording began, and how long each took from its reading to the command's answer."""
    rows = recording.read(0, len(recording), ("latency_s", "late_s"))
    latency_ms, late_ms = rows["latency_s"] * 1000, rows["late_s"] * 1000
    return {
        "steps": len(latency_ms),
        "late": int(np.count_nonzero(rows["late_s"] > LATE_S)),
        "worst_late_ms": float(late_ms.max()),
        "step_median_ms": float(np.median(latency_ms)),
        "step_p99_ms": float(np.percentile(latency_ms, 99)),
    }


def recorded_poses(rows: Mapping[str, np.ndarray], scene: Scene) -> np.ndarray:
    """Hand and object as they stood in each recorded step, (T, Q), from the columns of a recording."""
    at = scene.object_qpos
    qpos = np.tile(scene.model.qpos0, (len(rows["joint_angles_rad"]), 1))
    qpos[:, scene.joint_qpos] = rows["joint_angles_rad"]
    qpos[:, at : at + 3], qpos[:, at + 3 : at + 7] = rows["object_position_m"], rows["object_orientation_wxyz"]
    return qpos


def recorded_tracks(recording: Recording, scene: Scene) -> list[Track]:
    """The trials of a recording as the states that they went through, in order.

    Raises:
        DataError: it holds no step.
    """
    if not len(recording):
        raise DataError(f"{recording.path}: a recording without a whole step")
    rows = recording.read(0, len(recording), _TRACK)
    qpos = recorded_poses(rows, scene)
    return [
        Track(qpos[of], rows["goal_wxyz"][of], rows["angle_rad"][of], np.cumsum(rows["reached"][of]))
        for of in (np.flatnonzero(rows["trial"] == trial) for trial in np.unique(rows["trial"]))
    ]

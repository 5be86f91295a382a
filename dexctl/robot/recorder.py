"""Writes the control steps of a session down while they happen, without holding them up."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from dexctl.robot.control import Step
from dexctl.robot.protocol import Features
from dexctl.store.recordings import IMAGES, RecordingMetadata, RecordingWriter, columns

# What the robot senses, and the column that it goes to.
_COLUMN_OF = {
    "joint_angles": "joint_angles_rad",
    "joint_velocities": "joint_velocities_rad_s",
    "actuator_angles": "actuator_angles_rad",
    "actuator_torques": "actuator_torques_nm",
    "fingertip_markers": "fingertip_markers_m",
    "base_markers": "base_markers_m",
    "object_position": "object_position_m",
    "object_orientation": "object_orientation_wxyz",
    "object_velocity": "object_velocity_m_s",
    "object_angular_velocity": "object_angular_velocity_rad_s",
    "joint_age": "joint_age_s",
    "fingertip_age": "fingertip_age_s",
    "object_age": "object_age_s",
}


class Recorder:
    """Takes steps and writes them in a thread of its own; a context manager that leaves a whole recording.

    Attributes:
        failure: what ended the writing before its time, a full disk say; the steps until then are readable.
    """

    def __init__(
        self, path: Path, metadata: RecordingMetadata, features: Features, cameras: Sequence[str] = ()
    ) -> None:
        """Makes the recording.

        Args:
            cameras: whose pictures are recorded.

        Raises:
            CreateError: it cannot be made, or there is something already.
        """
        self.failure: BaseException | None = None
        self._features, self._cameras = features, cameras
        shape = (len(cameras), features.image_px, features.image_px) if cameras else None
        self._layout = columns(len(features.joints), len(features.actuators), shape)
        self._writer = RecordingWriter(path, metadata, self._layout)
        self._waiting: queue.SimpleQueue[Step | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="dexctl-recorder", daemon=True)

    def add(self, step: Step) -> None:
        """Takes a step; never waits for the disk."""
        self._waiting.put(step)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._waiting.put(None)
        self._thread.join()

    def _write(self) -> None:
        try:
            while (step := self._waiting.get()) is not None:
                self._writer.append(self._row(step))
            self._writer.flush()
        except BaseException as error:
            # The thread of the control loop raises it, once the robot is at rest.
            self.failure = error

    def _row(self, step: Step) -> dict[str, np.ndarray]:
        values = step.reading.values
        told, choice = step.told.values, step.choice
        row: dict[str, object] = {
            "time_s": step.time_s,
            "robot_time_s": step.reading.time_s,
            "trial": step.trial,
            "step": step.index,
            "seen_position_m": told["object_position"],
            "seen_orientation_wxyz": told["object_orientation"],
            "fingertip_positions_m": step.fingertip_positions_m,
            "bins": choice.bins[0].numpy(),
            "action_average": choice.average[0].numpy(),
            "change_asked_rad": choice.change_rad[0].numpy(),
            "change_sent_rad": step.sent.change_rad,
            "target_rad": step.sent.target_rad,
            "goal_wxyz": step.goal_wxyz,
            "angle_rad": step.judgement.angle_rad,
            "reached": step.judgement.reached,
            "end": int(step.judgement.end),
            "latency_s": step.latency_s,
            "late_s": step.late_s,
        }
        for quantity, column in _COLUMN_OF.items():
            found = values.get(quantity)
            row[column] = np.zeros(self._features.shape(quantity)) if found is None else found
        if self._cameras:
            row[IMAGES] = np.stack([step.reading.images[name] for name in self._cameras])
        return {name: np.asarray(row[name], column.dtype)[None] for name, column in self._layout.items()}

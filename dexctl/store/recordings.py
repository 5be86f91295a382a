"""Recordings of a session on a robot: one row for each control step, in Zarr.

A scripted trajectory for calibration has the same layout: its rows have no goal, and no bins.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from dexctl.store.row_reader import RowReader
from dexctl.store.row_writer import RowWriter
from dexctl.store.rows import Announce, Column, announce_nothing, read_metadata

KIND = "recording"
# At 80 ms a step: what a crash may cost, 2 s.
BLOCK_ROWS = 25
# With images rows are large, and compressed one by one.
IMAGES = "images"
# Recordings of older programs lack them.
_LATER = ("object_velocity_m_s", "object_angular_velocity_rad_s")


def columns(
    joints: int | None, actuators: int | None, image_shape: tuple[int, int, int] | None = None
) -> dict[str, Column]:
    """Columns of a recording with so many joints and actuators; None stands for any number.

    Quantities that the robot does not sense are zeros, and not named in the metadata's ``senses``.
    A step after which the trial goes on has ``end`` 0, see ``reorient.rules.End``.

    Args:
        image_shape: (cameras, height, width), or None without images.
    """
    found = {
        # Since the session's start, on the controller's clock; then on the robot's, s.
        "time_s": Column("float64", (), "finite"),
        "robot_time_s": Column("float64", (), "finite"),
        "trial": Column("int32"),
        "step": Column("int32"),
        # As the robot sensed them, see QUANTITIES of the wire.
        "joint_angles_rad": Column("float64", (joints,), "finite"),
        "joint_velocities_rad_s": Column("float64", (joints,), "finite"),
        "actuator_angles_rad": Column("float64", (actuators,), "finite"),
        "actuator_torques_nm": Column("float64", (actuators,), "finite"),
        "fingertip_markers_m": Column("float64", (5, 3), "finite"),
        "base_markers_m": Column("float64", (3, 3), "finite"),
        "object_position_m": Column("float64", (3,), "finite"),
        "object_orientation_wxyz": Column("float64", (4,), "finite"),
        "object_velocity_m_s": Column("float64", (3,), "finite"),
        "object_angular_velocity_rad_s": Column("float64", (3,), "finite"),
        "joint_age_s": Column("float64", (1,), "finite"),
        "fingertip_age_s": Column("float64", (5,), "finite"),
        "object_age_s": Column("float64", (1,), "finite"),
        # What the policy was told of the object: markers or the estimate from images.
        "seen_position_m": Column("float64", (3,), "finite"),
        "seen_orientation_wxyz": Column("float64", (4,), "finite"),
        # Fingertips in the frame of the base's markers, x y z of each finger, thumb last.
        "fingertip_positions_m": Column("float64", (15,), "finite"),
        # The policy's choice, the average of its actions, what was asked of the robot and what was sent.
        "bins": Column("int16", (actuators,)),
        "action_average": Column("float64", (actuators,), "finite"),
        "change_asked_rad": Column("float64", (actuators,), "finite"),
        "change_sent_rad": Column("float64", (actuators,), "finite"),
        "target_rad": Column("float64", (actuators,), "finite"),
        # The goal that held in this step, the angle left at its end, and what came of it.
        "goal_wxyz": Column("float64", (4,), "finite"),
        "angle_rad": Column("float64", (), "finite"),
        "reached": Column("bool"),
        "end": Column("int8"),
        # From the reading to the command's answer, and how far behind the clock the step began, s.
        "latency_s": Column("float64", (), "finite"),
        "late_s": Column("float64", (), "finite"),
    }
    if image_shape is not None:
        found[IMAGES] = Column("uint8", (*image_shape, 3), sharded=True)
    return found


class RecordingMetadata(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What describes a recording.

    Attributes:
        profile: the resolved profile that acted, as plain values; profile_digest: of what shapes experience in it.
        policy: that acted, as it was named; ``script`` for a trajectory.
        robot: its endpoint; features: the robot's own, as plain values.
        senses: quantities it sensed.
        period_s: of a control step.
        started: date and time, UTC.
    """

    profile: dict[str, Any]
    profile_digest: str
    policy: str
    robot: str
    features: dict[str, Any]
    senses: list[str]
    seed: int
    period_s: float
    started: str


class RecordingWriter(RowWriter):
    """Appends control steps; see ``RowWriter``."""

    def __init__(
        self,
        path: Path,
        metadata: RecordingMetadata,
        layout: dict[str, Column],
        announce: Announce = announce_nothing,
    ) -> None:
        super().__init__(path, KIND, layout, msgspec.to_builtins(metadata), BLOCK_ROWS, announce)


class Recording(RowReader):
    """A recording to be read; see ``RowReader``.

    Attributes:
        metadata: what describes it.
    """

    def __init__(self, path: Path) -> None:
        """Opens a recording.

        Raises:
            MissingError: there is none.
            DataError: it is something else, or damaged.
        """
        wanted = {name: column for name, column in columns(None, None).items() if name not in _LATER}
        super().__init__(path, KIND, wanted)
        self.metadata = read_metadata(path, self.about, RecordingMetadata)

"""ROS messages as rosbridge spells them: what is made of those that are heard, none of them trusted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dexctl.scene import names

_FINGERS, _BASE = len(names.FINGERS), len(names.BASE_MARKERS)


def joint_state(message: object) -> tuple[np.ndarray, np.ndarray | None, float | None]:
    """A sensor_msgs/JointState.

    Returns:
        Angles (J,) rad and velocities (J,) rad/s in our order; None where they are not told of every joint.
        When they were measured, s on the sender's clock; None where it is not told.

    Raises:
        ValueError: it is none, or lacks one of the hand's joints.
    """
    fields = _fields(message)
    called = [name for name in _list(fields, "name") if isinstance(name, str)]
    found = dict(zip(called, _numbers(fields, "position"), strict=False))
    missing = [joint for joint in names.JOINTS if joint not in found]
    if missing:
        raise ValueError(f"no position of {', '.join(missing)}")
    angles = np.array([found[joint] for joint in names.JOINTS])
    speeds = dict(zip(called, _numbers(fields, "velocity") if fields.get("velocity") else [], strict=False))
    told = all(joint in speeds for joint in names.JOINTS)
    return angles, np.array([speeds[joint] for joint in names.JOINTS]) if told else None, _stamp_s(fields)


def markers(message: object) -> tuple[np.ndarray, np.ndarray]:
    """A geometry_msgs/PoseArray: markers of the fingertips (5, 3) and of the base (3, 3), m.

    Raises:
        ValueError: it is none, or of another number of poses.
    """
    poses = _list(_fields(message), "poses")
    if len(poses) != _FINGERS + _BASE:
        raise ValueError(f"{len(poses)} poses, not {_FINGERS + _BASE}")
    points = np.array([_vector(_fields(pose), "position", "xyz") for pose in poses])
    return points[:_FINGERS], points[_FINGERS:]


def object_pose(message: object) -> tuple[np.ndarray, np.ndarray]:
    """A geometry_msgs/PoseStamped: position (3,) m, and orientation (4,) wxyz.

    Raises:
        ValueError: it is none, or its orientation is no rotation.
    """
    pose = _fields(_fields(message).get("pose"))
    orientation = _vector(pose, "orientation", "wxyz")
    length = float(np.linalg.norm(orientation))
    if not length > 0.5:
        raise ValueError(f"an orientation of length {length:g}")
    return _vector(pose, "position", "xyz"), orientation / length


def _fields(message: object) -> Mapping[str, Any]:
    if not isinstance(message, Mapping):
        raise ValueError(f"a {type(message).__name__} where fields are wanted")
    return message


def _list(fields: Mapping[str, Any], key: str) -> list[Any]:
    found = fields.get(key)
    if not isinstance(found, list):
        raise ValueError(f"no list '{key}'")
    return found


def _numbers(fields: Mapping[str, Any], key: str) -> list[float]:
    return [_number(value, key) for value in _list(fields, key)]


def _vector(fields: Mapping[str, Any], key: str, axes: str) -> np.ndarray:
    point = _fields(fields.get(key))
    return np.array([_number(point.get(axis), f"{key}.{axis}") for axis in axes])


def _number(value: object, key: str) -> float:
    # JSON as Python reads it has NaN and Infinity, and whole numbers of any length.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise ValueError(f"'{key}' holds {str(value)[:40]!r}, which is no number")
    return float(value)


def _stamp_s(fields: Mapping[str, Any]) -> float | None:
    header = fields.get("header")
    stamp = header.get("stamp") if isinstance(header, Mapping) else None
    if not isinstance(stamp, Mapping):
        return None
    # ROS 1 and ROS 2 call them otherwise.
    seconds = _number(stamp.get("secs", stamp.get("sec")), "stamp")
    told_s = seconds + 1e-9 * _number(stamp.get("nsecs", stamp.get("nanosec")), "stamp")
    # Zero stands for no stamp.
    return told_s or None

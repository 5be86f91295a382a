"""Goals from a file: a JSON list of quaternions, each ``[w, x, y, z]``."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from dexctl.errors import DataError, MissingError

Goal = tuple[float, float, float, float]
_LARGEST_BYTES = 1 << 20
_TOLERANCE = 1e-3


def read_goals(path: Path) -> list[Goal]:
    """Goals in the order that they are asked for.

    Raises:
        MissingError: there is no such file.
        DataError: it is no list of unit quaternions; names the first that is wrong.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise MissingError(f"{path}: {error.strerror}", "Name a file of goals, or 'random'.") from error
    if len(text) > _LARGEST_BYTES:
        raise DataError(f"{path}: longer than {_LARGEST_BYTES} bytes, which no list of goals is")
    try:
        goals = msgspec.json.decode(text, type=list[Goal])
    except (msgspec.DecodeError, RecursionError) as error:
        raise DataError(f"{path}: no list of goals: {error}", "Expected JSON: [[w, x, y, z], ...].") from error
    if not goals:
        raise DataError(f"{path}: a list without a goal")
    for index, goal in enumerate(goals):
        length = math.hypot(*goal)
        if abs(length - 1.0) > _TOLERANCE:
            raise DataError(f"{path}: goal {index}: expected a quaternion of length 1, got {length:.4g}")
    return goals

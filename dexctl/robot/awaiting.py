"""Waiting for a person to put the object into the hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dexctl.errors import UnavailableError
from dexctl.profile import schema
from dexctl.robot.protocol import Reading

# So long, and so still, an object must lie in the hand to be let go.
STEADY_S = 2.0
_MOVED_M = 0.005
_PALM_M = 0.08


def await_object(
    look: Callable[[], Reading],
    wait_until: Callable[[float], float],
    task: schema.Task,
    timeout_s: float,
    stop: Callable[[], bool],
) -> None:
    """Waits until the object lies still on the palm.

    Args:
        look: the newest reading with the object in it, by motion capture or as an estimator sees it.
        wait_until: of the robot that is looked at.
        task: where the palm is, and how low nothing in the hand can be.
        timeout_s: at most so long.
        stop: asked while waiting; when true, the wait is over.

    Raises:
        UnavailableError: nobody put it there in time.
    """
    reading = look()
    deadline_s = reading.time_s + timeout_s
    since_s, place = reading.time_s, np.full(3, np.inf)
    while not stop():
        position = reading.values["object_position"]
        fresh = bool(reading.values.get("object_age", np.zeros(1)).max() < STEADY_S)
        inside = position[2] > task.start_drop_height_m and np.hypot(*(position - task.palm_center_m)[:2]) < _PALM_M
        if not (fresh and inside) or np.linalg.norm(position - place) > _MOVED_M:
            since_s, place = reading.time_s, position
        elif reading.time_s - since_s >= STEADY_S:
            return
        if reading.time_s > deadline_s:
            raise UnavailableError(f"no object lay still in the hand for {timeout_s:.0f} s", "Put it on the palm.")
        wait_until(reading.time_s + 0.1)
        reading = look()

"""Grasps by what touches the object, and what fingers do with it between grasps (section 6.1, Figure 7)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import torch

from dexctl import rotation
from dexctl.evaluate.contacts import Touches
from dexctl.scene import names

# T moments, F fingers (the thumb last).

# The grasps of Figure 7, then what is none of them.
GRASPS = ("tip pinch", "palmar pinch", "tripod", "quadpod", "five-finger", "power")
OTHER = "other"
RESTING = "resting"
FREE = "free"
_THUMB = names.FINGERS.index("th")
_PRECISION = {1: "pinch", 2: "tripod", 3: "quadpod", 4: "five-finger"}
# Chosen: a hand that closes around the object touches it with its palm and at least this many fingers.
_POWER_FINGERS = 3
# Chosen: shorter than this, a pattern of contacts is passed through and not held.
HELD_S = 0.2
# Chosen: as far as a goal is near (appendix C.1); a turn about the line between two fingers that counts as a pivot.
PIVOT_RAD = 0.4


@dataclasses.dataclass(frozen=True)
class Stretch:
    """Moments one after the other with the same grasp, from ``start`` until before ``stop``."""

    grasp: str
    start: int
    stop: int


@dataclasses.dataclass(frozen=True)
class Pivot:
    """A turn of the object about the line between the two fingers that hold it, and nothing else touches it.

    Attributes:
        fingers: the two; distal: both by their distal links alone.
        angle_rad: turned.
    """

    fingers: tuple[str, str]
    distal: bool
    angle_rad: float
    start: int
    stop: int


def grasp_at(touches: Touches, moment: int) -> str:
    """The grasp of one moment, by the pattern of contacts.

    Against the thumb and off the palm, one finger makes a pinch (by tips alone, or with pads), two a
    tripod, three a quadpod, four the five-finger grasp; a palm and three fingers or more, a power grasp.
    """
    fingers = touches.fingers[moment]
    opposed = int(fingers.sum()) - int(fingers[_THUMB])
    if touches.palm_T[moment]:
        return "power" if fingers.sum() >= _POWER_FINGERS else RESTING
    if not fingers.any():
        return FREE
    if not fingers[_THUMB] or not opposed:
        return OTHER
    if opposed == 1:
        return "tip pinch" if touches.tip_TF[moment][fingers].all() else "palmar pinch"
    return _PRECISION[opposed]


def stretches(touches: Touches) -> list[Stretch]:
    """The whole time in stretches of the same grasp."""
    grasps = [grasp_at(touches, moment) for moment in range(len(touches.palm_T))]
    return [Stretch(grasps[start], start, stop) for start, stop in _runs(grasps)]


def pivots(touches: Touches, object_wxyz: np.ndarray) -> list[Pivot]:
    """Finds finger pivoting.

    Args:
        object_wxyz: (T, 4).
    """
    pairs = [
        np.flatnonzero(row).tolist() if row.sum() == 2 and not palm else []
        for row, palm in zip(touches.fingers, touches.palm_T, strict=True)
    ]
    found = []
    for start, stop in _runs(pairs):
        if not pairs[start] or stop - start < 2:
            continue
        first, second = pairs[start]
        points = touches.point_TF3[start:stop]
        axis = points[:-1, first] - points[:-1, second]
        axis /= np.linalg.norm(axis, axis=1, keepdims=True)
        turned = abs(float((_turns(object_wxyz[start:stop]) * axis).sum()))
        if turned >= PIVOT_RAD:
            inner = touches.link_TFL[start:stop][:, [first, second], 1:].any()
            found.append(Pivot((names.FINGERS[first], names.FINGERS[second]), not inner, turned, start, stop))
    return found


def gaits(touches: Touches) -> dict[str, int]:
    """How often each finger lets go and takes hold again while at least two others hold on throughout."""
    counts: dict[str, int] = dict.fromkeys(names.FINGERS, 0)
    fingers = touches.fingers
    for index, name in enumerate(names.FINGERS):
        runs = list(_runs(fingers[:, index].tolist()))
        for start, stop in runs[1:-1]:
            others = np.delete(fingers[start:stop], index, axis=1).all(axis=0).sum()
            counts[name] += bool(not fingers[start, index] and others >= 2)
    return counts


def _turns(wxyz: np.ndarray) -> np.ndarray:
    """Rotation vectors (T - 1, 3) from each orientation (T, 4) to the next, rad, world frame."""
    q = torch.from_numpy(np.ascontiguousarray(wxyz, np.float64))
    return rotation.to_rotation_vector(rotation.difference(q[1:], q[:-1])).numpy()


def _runs(values: list) -> Iterator[tuple[int, int]]:
    """Start and stop of each run of equal values."""
    start = 0
    for index in range(1, len(values) + 1):
        if index == len(values) or values[index] != values[start]:
            yield start, index
            start = index

"""The hand in its parts: wrist and fingers, which are moved one after the other and fitted apart."""

from __future__ import annotations

import dataclasses

import numpy as np

from dexctl.scene import names

# Part, and how the names of its joints begin.
_BEGINNINGS = {"wrist": "WR", "ff": "FF", "mf": "MF", "rf": "RF", "lf": "LF", "th": "TH"}


@dataclasses.dataclass(frozen=True)
class Finger:
    """A part of the hand that moves by itself; the wrist counts as one.

    Attributes:
        joints: indices among the hand's joints; actuators: among its actuators.
    """

    name: str
    joints: np.ndarray
    actuators: np.ndarray


FINGERS = tuple(_BEGINNINGS)


def fingers(chosen: tuple[str, ...] = FINGERS) -> list[Finger]:
    """The chosen parts, wrist first, whatever order they were chosen in."""
    return [
        Finger(name, _beginning(names.JOINTS, start), _beginning(names.ACTUATED, start))
        for name, start in _BEGINNINGS.items()
        if name in chosen
    ]


def _beginning(found: tuple[str, ...], start: str) -> np.ndarray:
    return np.array([index for index, name in enumerate(found) if name.startswith(start)])

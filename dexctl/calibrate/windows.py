"""A recording cut into windows, each replayed from the state it begins with (appendix C.3).

Windows follow one another and never overlap, so that those held out share no moment with the others.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from dexctl.calibrate.fingers import Finger
from dexctl.calibrate.replay import Motion
from dexctl.profile import schema

# W windows, S steps of each, J joints.


@dataclasses.dataclass(frozen=True)
class Windows:
    """Where windows begin, and what they are good for.

    Attributes:
        starts: (W,) first moment of each.
        steps: control steps of a window.
        usable: (W, J) joints whose readings are sound throughout.
        held_out: (W,) those that no fit sees.
        moving: (W,) by finger: it moves and one of its joints is usable.
    """

    starts: np.ndarray
    steps: int
    usable: np.ndarray
    held_out: np.ndarray
    moving: dict[str, np.ndarray]

    def of(self, finger: Finger, held_out: bool) -> np.ndarray:
        """Indices of the windows in which a finger moves, held out or not."""
        return np.flatnonzero(self.moving[finger.name] & (self.held_out == held_out))


def window_steps(settings: schema.Calibrate, period_s: float) -> int:
    """Control steps of a window: as long as the profile says, or a part of a step longer."""
    return math.ceil(settings.window_s / period_s - 1e-9)


def cut(
    motion: Motion, usable: np.ndarray, settings: schema.Calibrate, period_s: float, parts: Sequence[Finger]
) -> Windows:
    """Cuts a recording into windows.

    Args:
        usable: (T, J) readings that are sound; a window of which a moment is not there has none.
        parts: fingers that are looked at.
    """
    steps = window_steps(settings, period_s)
    starts = np.arange(0, len(motion.angles_rad) - steps, steps)
    whole = starts[:, None] + np.arange(steps + 1)
    angles, sound = motion.angles_rad[whole], np.all(usable[whole], axis=1)
    travel = np.ptp(angles, axis=1) * sound
    moving = {part.name: (travel[:, part.joints] >= settings.moving_rad).any(axis=1) for part in parts}
    return Windows(starts, steps, sound, _held_out(moving, len(starts), settings.held_out), moving)


def _held_out(moving: dict[str, np.ndarray], count: int, share: float) -> np.ndarray:
    """Every so-manieth window of each finger, so that every motion is seen on both sides."""
    found = np.zeros(count, dtype=bool)
    for among in moving.values():
        which = np.flatnonzero(among)
        # Of every run of 1 / share windows the one in the middle: neither the first motion nor the last.
        turn = np.floor((np.arange(len(which)) + 0.5) * share)
        found[which[1:][np.diff(turn) > 0]] = True
    return found

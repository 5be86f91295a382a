"""How well a hand, the whole of it, repeats a recording."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from dexctl.calibrate.fingers import Finger
from dexctl.calibrate.parameters import HandNumbers
from dexctl.calibrate.replay import Motion, Replay
from dexctl.calibrate.windows import Windows
from dexctl.profile import schema


@dataclasses.dataclass(frozen=True)
class Score:
    """Errors of the joints at the windows' ends, one second after each began.

    Attributes:
        joint_deg: (J,) root mean square by joint, over the windows in which its finger moves; NaN without any.
        total_deg: the same over all joints.
        windows: (J,) how many there were.
    """

    joint_deg: np.ndarray
    total_deg: float
    windows: np.ndarray


def replayed(profile: schema.Profile, motion: Motion, windows: Windows, hands: HandNumbers) -> np.ndarray:
    """Every window played by B whole hands: (B, W, S, J) angles, rad."""
    replay = Replay(profile, min(512, len(windows.starts) * len(hands.joints)))
    return replay.windows(motion, hands, windows.starts, windows.steps)


def score(simulated: np.ndarray, motion: Motion, windows: Windows, parts: Sequence[Finger], held_out: bool) -> Score:
    """Scores one hand.

    Args:
        simulated: (W, S, J) what ``replayed`` returned of it.
        held_out: of which windows.
    """
    error = np.rad2deg(simulated[:, -1] - motion.angles_rad[windows.starts + windows.steps])
    # What a failed simulation lost counts as half a turn.
    error = np.nan_to_num(error, nan=180.0)
    counts = np.zeros(error.shape, dtype=bool)
    for part in parts:
        which = windows.of(part, held_out)
        counts[which[:, None], part.joints] = windows.usable[which][:, part.joints]
    number = counts.sum(axis=0)
    square = np.square(error * counts).sum(axis=0)
    joint = np.sqrt(square / np.where(number > 0, number, np.nan))
    total = float(np.sqrt(square.sum() / number.sum())) if number.any() else float("nan")
    return Score(joint, total, number)

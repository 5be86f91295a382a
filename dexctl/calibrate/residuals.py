"""How far simulated windows of one finger end up from the recorded ones."""

from __future__ import annotations

import numpy as np

from dexctl.calibrate.fingers import Finger
from dexctl.calibrate.parameters import HandNumbers
from dexctl.calibrate.replay import Motion, Replay
from dexctl.calibrate.windows import Windows

# What counts for a joint that a failed simulation lost, rad.
_LOST_RAD = 3.0

# B hands, W windows of this finger, S steps, F joints of the finger.


class FingerError:
    """The error of one finger's joints in some of the windows, for many hands at once.

    Attributes:
        usable: (W, F) what counts.
        num_steps: S.
    """

    def __init__(self, replay: Replay, motion: Motion, windows: Windows, finger: Finger, which: np.ndarray) -> None:
        """Takes the windows.

        Args:
            which: (W,) indices of windows.
        """
        self._replay, self._motion, self._finger, self.num_steps = replay, motion, finger, windows.steps
        self._columns = np.flatnonzero(np.isin(replay.joints, finger.joints))
        self._starts = windows.starts[which]
        self.usable = windows.usable[which][:, finger.joints]
        moments = self._starts[:, None] + np.arange(1, windows.steps + 1)
        self._measured = motion.angles_rad[moments][:, :, finger.joints]

    def __call__(self, hands: HandNumbers) -> np.ndarray:
        """(B, W, S, F) simulated less measured angles, rad; 0 where a joint is not usable."""
        simulated = self._replay.windows(self._motion, hands, self._starts, self.num_steps)[..., self._columns]
        error = np.nan_to_num(simulated - self._measured, nan=_LOST_RAD)
        return error * self.usable[:, None, :]

    def reached(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest measured angle of each joint, (F,) rad each; infinite where none counts."""
        counts = np.broadcast_to(self.usable[:, None, :], self._measured.shape)
        low = np.min(self._measured, axis=(0, 1), where=counts, initial=np.inf)
        high = np.max(self._measured, axis=(0, 1), where=counts, initial=-np.inf)
        return low, high

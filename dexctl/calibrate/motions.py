"""The two scripted motions of the calibration, finger by finger (appendix C.3).

First all joints of a finger go fully inward and then outward, until they stop: that shows the limits.
Then each swings inward and outward, large and small, slow and fast: that shows the dynamics. All
other fingers are held where they rest.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from dexctl.calibrate.fingers import Finger, fingers

# All chosen, in s, rad, Hz, and shares of a full action.
_TO_STOP_AT_MOST_S = 5.0
_STILL_RAD = 0.002
_STILL_S = 0.5
_REST_S = 1.5
_HOLDING = 0.7
_CENTERING = 0.15
_SWINGS = ((0.25, 1.0), (0.5, 0.7), (1.0, 1.0), (0.5, 0.3), (2.0, 0.5))
_SWING_S = 5.0
# Joints of one finger swing at different speeds, so that each shows its own part.
_DETUNED = (1.0, 1.37, 0.79, 1.61, 0.61)


@dataclasses.dataclass(frozen=True)
class Phase:
    """A stretch of the script.

    Attributes:
        finger: that moves; the others rest.
        kind: ``rest``, ``inward``, ``outward`` or ``swing``.
        steps: at most so many control steps.
        frequency_hz, size: of a swing; the size as a share of a full action.
    """

    finger: Finger
    kind: str
    steps: int
    frequency_hz: float = 0.0
    size: float = 1.0


class Script:
    """The scripted motions, as actions that answer what the joints do; ``next`` until it is None.

    Attributes:
        reach_rad: (A,) what a full action adds to each actuator's angle.
    """

    def __init__(
        self,
        control_range_rad: np.ndarray,
        range_fraction: float,
        period_s: float,
        parts: Sequence[Finger] = tuple(fingers()),
    ) -> None:
        """Writes the script for the fingers in ``parts``.

        Args:
            control_range_rad: (A, 2) targets that the actuators accept.
            range_fraction: what a full action is of half of that.
        """
        control = np.asarray(control_range_rad, dtype=np.float64)
        self.reach_rad = 0.5 * range_fraction * (control[:, 1] - control[:, 0])
        self._middle = control.mean(axis=1)
        # Straight, or as near to it as each may come without leaning on a stop.
        quarter = 0.25 * (control[:, 1] - control[:, 0])
        self._rest = np.clip(0.0, control[:, 0] + 0.4 * quarter, control[:, 1] - 0.4 * quarter)
        self._period_s = period_s
        self._phases = [phase for part in parts for phase in _phases(part, period_s)]
        self._index, self._step, self._still = 0, 0, 0
        self._before: np.ndarray | None = None

    @property
    def steps_at_most(self) -> int:
        """Control steps of the whole script, if every joint needs all its time."""
        return sum(phase.steps for phase in self._phases)

    @property
    def phase(self) -> Phase | None:
        """Where the script is; None at its end."""
        return self._phases[self._index] if self._index < len(self._phases) else None

    def next(self, actuator_angles_rad: np.ndarray) -> np.ndarray | None:
        """The action (A,) in [-1, 1] that answers the actuators' angles (A,) rad, or None at the script's end."""
        self._advance(actuator_angles_rad)
        phase = self.phase
        if phase is None:
            return None
        action = _HOLDING * (self._rest - actuator_angles_rad) / self.reach_rad
        moving = phase.finger.actuators
        if phase.kind == "inward":
            action[moving] = 1.0
        elif phase.kind == "outward":
            action[moving] = -1.0
        elif phase.kind == "swing":
            time_s = self._step * self._period_s
            turn = 2.0 * math.pi * phase.frequency_hz * time_s * np.array(_DETUNED[: len(moving)])
            center = _CENTERING * (self._middle[moving] - actuator_angles_rad[moving]) / self.reach_rad[moving]
            action[moving] = phase.size * np.sin(turn + np.arange(len(moving))) + center
        self._step += 1
        return np.clip(action, -1.0, 1.0)

    def _advance(self, angles: np.ndarray) -> None:
        phase = self.phase
        if phase is None:
            return
        moved = np.inf if self._before is None else np.abs(angles - self._before)[phase.finger.actuators].max()
        self._before = angles.copy()
        self._still = self._still + 1 if moved < _STILL_RAD else 0
        stopped = phase.kind in ("inward", "outward") and self._still * self._period_s >= _STILL_S
        if self._step >= phase.steps or stopped:
            self._index, self._step, self._still = self._index + 1, 0, 0


def _phases(finger: Finger, period_s: float) -> list[Phase]:
    def steps(seconds: float) -> int:
        return round(seconds / period_s)

    to_stops = [
        Phase(finger, kind, steps(seconds))
        for kind, seconds in (
            ("inward", _TO_STOP_AT_MOST_S),
            ("outward", _TO_STOP_AT_MOST_S),
            ("inward", _TO_STOP_AT_MOST_S),
            ("outward", _TO_STOP_AT_MOST_S),
            ("rest", _REST_S),
        )
    ]
    swings = [Phase(finger, "swing", steps(_SWING_S), frequency_hz, size) for frequency_hz, size in _SWINGS]
    return [*to_stops, *swings, Phase(finger, "rest", steps(_REST_S))]

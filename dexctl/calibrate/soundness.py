"""Which readings of a recording are not to be trusted, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dexctl.calibrate.replay import Motion
from dexctl.calibrate.windows import Windows
from dexctl.scene import names

# All chosen. A joint that is told so much and gives the very same number for so long does not report.
_TOLD = 0.3
_STUCK_STEPS = 12
# A reading that comes this far in one step and then repeats itself exactly ran into the end of its sensor, not
# into a stop, which gives way.
_ARRIVED_RAD = 0.02
_REPEATED = 2
_NEAR_END_RAD = 0.02

# T moments, J joints.


class Fault(NamedTuple):
    """Windows that a joint is left out of."""

    joint: str
    reason: str
    windows: tuple[int, ...]


def unsound(motion: Motion, missing: np.ndarray, gaps: np.ndarray) -> Mapping[str, np.ndarray]:
    """Every reason, and the readings (T, J) that it is held against.

    Args:
        missing: (T, J) readings that are no number.
        gaps: (T,) rows after which the next came at the wrong time, or whose command is not known.
    """
    return {
        "not a number": missing,
        "gap": np.repeat(gaps[:, None], missing.shape[1], axis=1),
        "motionless": _motionless(motion) & ~missing,
        "sensor clipped": _clipped(motion.angles_rad) & ~missing,
    }


def faults(reasons: Mapping[str, np.ndarray], windows: Windows) -> list[Fault]:
    """What is left out, by joint and reason."""
    moments = windows.starts[:, None] + np.arange(windows.steps + 1)
    found = []
    for reason, bad in reasons.items():
        in_window = np.any(bad[moments], axis=1)
        for joint in np.flatnonzero(in_window.any(axis=0)):
            which = tuple(int(one) for one in np.flatnonzero(in_window[:, joint]))
            found.append(Fault(names.JOINTS[joint], reason, which))
    return found


def told(faults: Sequence[Fault]) -> list[str]:
    """Faults as people read them, joints that are left out of the same windows for the same reason in one line."""
    together: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for fault in faults:
        together.setdefault((fault.reason, fault.windows), []).append(fault.joint)
    lines = []
    for (reason, windows), joints in together.items():
        who = "every joint" if len(joints) == len(names.JOINTS) else ", ".join(joints)
        lines.append(f"{who}: {reason} in {shown_windows(windows)}")
    return lines


def shown_windows(windows: Sequence[int]) -> str:
    """Window numbers as people read them: ``windows 3-5, 9``."""
    runs: list[list[int]] = []
    for window in windows:
        if runs and window == runs[-1][-1] + 1:
            runs[-1].append(window)
        else:
            runs.append([window])
    texts = [f"{run[0]}" if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return f"window{'s' * (len(windows) != 1)} {', '.join(texts)}"


def _motionless(motion: Motion) -> np.ndarray:
    angles, found = motion.angles_rad, np.zeros(motion.angles_rad.shape, dtype=bool)
    for joint, name in enumerate(names.JOINTS):
        told = np.abs(motion.actions[:, _actuator_of(name)]) >= _TOLD
        low, high = angles[:, joint].min(), angles[:, joint].max()
        for start, stop in _runs(angles[:, joint]):
            # A joint that leans on a stop may well repeat itself.
            leans = high - low > _NEAR_END_RAD and not low + _NEAR_END_RAD < angles[start, joint] < high - _NEAR_END_RAD
            if stop - start >= _STUCK_STEPS and told[start:stop].mean() > 0.5 and not leans:
                found[start:stop, joint] = True
        # What is stuck for good is so everywhere, told or not.
        if low == high and told.any():
            found[:, joint] = True
    return found


def _clipped(angles: np.ndarray) -> np.ndarray:
    found = np.zeros(angles.shape, dtype=bool)
    for joint in range(angles.shape[1]):
        ends = (angles[:, joint].min(), angles[:, joint].max())
        for start, stop in _runs(angles[:, joint]):
            arrived = start > 0 and abs(angles[start, joint] - angles[start - 1, joint]) >= _ARRIVED_RAD
            if stop - start > _REPEATED and arrived and angles[start, joint] in ends:
                found[start:stop, joint] = True
    return found


def _runs(values: np.ndarray) -> list[tuple[int, int]]:
    """Stretches [start, stop) of the very same number, longer than one."""
    edges = np.flatnonzero(np.diff(values) != 0) + 1
    starts, stops = np.concatenate(([0], edges)), np.concatenate((edges, [len(values)]))
    long = stops - starts > 1
    return [(int(start), int(stop)) for start, stop in zip(starts[long], stops[long], strict=True)]


def _actuator_of(joint: str) -> int:
    driven = {following: driver for driver, following in names.COUPLED.items()}
    return names.ACTUATED.index(driven.get(joint, joint))

"""Measured and simulated motion over each other, window by window."""

from __future__ import annotations

import numpy as np

from dexctl.calibrate.fingers import Finger
from dexctl.calibrate.replay import Motion
from dexctl.calibrate.windows import Windows
from dexctl.evaluate.curve import figure_svg
from dexctl.scene import names

# Okabe and Ito's colours, which the colour-blind tell apart.
_MEASURED, _BEFORE, _AFTER = "#24282e", "#d55e00", "#0072b2"
_AT_MOST = 16


def overlay_svg(
    motion: Motion, windows: Windows, finger: Finger, before: np.ndarray, after: np.ndarray, period_s: float
) -> str:
    """Draws the held-out windows of one finger, one after the other, a row for each joint.

    Args:
        before, after: (W, S, J) simulated angles of all windows, rad.
    """
    from matplotlib.figure import Figure

    which = windows.of(finger, held_out=True)[:_AT_MOST]
    figure = Figure(figsize=(11, 1.3 * len(finger.joints) + 0.6), dpi=100, layout="constrained")
    rows = figure.subplots(len(finger.joints), 1, sharex=True, squeeze=False)[:, 0]
    time_s = np.arange(windows.steps + 1) * period_s
    for axis, joint in zip(rows, finger.joints, strict=True):
        for place, window in enumerate(which):
            start, at_s = windows.starts[window], time_s + place * (time_s[-1] + 2 * period_s)
            measured = np.rad2deg(motion.angles_rad[start : start + windows.steps + 1, joint])
            axis.plot(at_s, measured, color=_MEASURED, linewidth=2.2, label="measured" if not place else None)
            for simulated, color, label in ((before, _BEFORE, "before"), (after, _AFTER, "calibrated")):
                angles = np.concatenate((measured[:1], np.rad2deg(simulated[window, :, joint])))
                axis.plot(at_s, angles, color=color, linewidth=1.1, label=label if not place else None)
        axis.set_ylabel(f"{names.JOINTS[joint]}, deg")
        axis.grid(alpha=0.25, linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
    rows[-1].set_xlabel("s, windows one after the other")
    if len(which):
        rows[0].legend(loc="upper right", ncols=3, frameon=False, fontsize=8)
    return figure_svg(figure)

"""Errors of the pose estimator against learning: on the renderer that it learns from, and on the others."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dexctl.errors import CreateError, DataError

_PANELS = (("rotation_deg", "rotation error, degrees"), ("position_mm", "position error, mm"))


def read_measurements(events: Path) -> list[dict[str, Any]]:
    """The ``measurement`` events of a run, in order; a torn last line is passed over.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        lines = events.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{events}: {error}") from error
    found = []
    for line in lines:
        if '"measurement"' not in line:
            continue
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and event.get("event") == "measurement":
            found.append(event)
    return found


def draw_pose_curve(measurements: Sequence[Mapping[str, Any]], title: str, path: Path) -> None:
    """Draws mean errors against states learned from, a line for each dataset; nothing before the first.

    Args:
        measurements: as ``read_measurements`` gives them.

    Raises:
        CreateError: the picture cannot be written.
    """
    if not measurements:
        return
    from matplotlib.figure import Figure

    names = dict.fromkeys((str(one["images"]), str(one["renderer"])) for one in measurements)
    figure = Figure(figsize=(10, 3.8), dpi=110, layout="constrained")
    for axis, (key, label) in zip(figure.subplots(1, 2), _PANELS, strict=True):
        for images, renderer in names:
            rows = [one for one in measurements if one["images"] == images]
            states = [row["states_learned"] for row in rows]
            means, medians = ([row[key][kind] for row in rows] for kind in ("mean", "median"))
            (line,) = axis.plot(states, means, label=f"{renderer}, mean", linewidth=1.8)

            axis.plot(
                states, medians, label=f"{renderer}, median", linewidth=1.0, linestyle=":", color=line.get_color()
            )
        axis.set_xlabel("states learned from")
        axis.set_ylabel(label)
        axis.set_yscale("log")
        axis.grid(alpha=0.25, linewidth=0.6, which="both")
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False)
    figure.suptitle(title, fontsize=10)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part.png")
    try:
        figure.savefig(temporary)
        temporary.replace(path)
    except OSError as error:
        raise CreateError(f"{path}: {error.strerror}", "Give a place that can be written to.") from error

"""Learning curves: goals in a row against wall time, environment steps and simulated years (Figures 8 to 10)."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dexctl.errors import CreateError, DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Chosen: below it minutes are easier to read than parts of an hour.
_SHORT_S = 7200.0
_AXES = (
    ("elapsed_s", 1.0 / 3600.0, "hours"),
    ("steps", 1e-6, "million environment steps"),
    ("simulated_years", 1.0, "simulated years"),
)


def read_iterations(events: Path) -> list[dict[str, Any]]:
    """The ``iteration`` events of a run, in order of their steps; a torn last line is passed over.

    A resumed run goes on from its last checkpoint: what a killed process did beyond it was lost, and is left out.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        lines = events.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{events}: {error}") from error
    found: list[dict[str, Any]] = []
    for line in lines:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and event.get("event") == "iteration":
            while found and _goes_back(found[-1], event):
                found.pop()
            found.append(event)
    return found


def _goes_back(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether the later event is of no more progress; a pose estimator's is counted in states."""
    done, reached = (event.get("steps", event.get("states")) for event in (before, after))
    return isinstance(done, int | float) and isinstance(reached, int | float) and done >= reached


def draw_curve(events: Path, path: Path) -> None:
    """Draws a run's learning curve; nothing where nothing was learned yet.

    Raises:
        DataError: the events cannot be read.
        CreateError: the picture cannot be written.
    """
    draw_curves({path.parent.name: read_iterations(events)}, path)


def draw_curves(runs: Mapping[str, Sequence[Mapping[str, Any]]], path: Path) -> None:
    """Draws several runs into one picture, a colour each.

    Args:
        runs: iterations by name, as ``read_iterations`` gives them.

    Raises:
        CreateError: the picture cannot be written.
    """
    figure = _figure(runs)
    if figure is None:
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part.png")
    try:
        figure.savefig(temporary)
        temporary.replace(path)
    except OSError as error:
        raise CreateError(f"{path}: {error.strerror}", "Give a place that can be written to.") from error


def curves_svg(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The same picture as SVG; empty where nothing was learned yet."""
    figure = _figure(runs)
    return figure_svg(figure) if figure else ""


def figure_svg(figure: Figure) -> str:
    """A figure as SVG to stand in a page: without a header, its words as words, the same for the same figure."""
    from matplotlib import rc_context

    file = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "dexctl"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    text = file.getvalue()
    return text[text.index("<svg") :]


def _figure(runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure | None:
    runs = {name: [row for row in rows if row.get("goals") is not None] for name, rows in runs.items()}
    if not any(runs.values()):
        return None
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(12, 3.6), dpi=110, layout="constrained")
    axes = figure.subplots(1, len(_AXES), sharey=True)
    for axis, (key, scale, label) in zip(axes, _AXES, strict=True):
        if key == "elapsed_s" and all(row[key] < _SHORT_S for rows in runs.values() for row in rows):
            scale, label = 1.0 / 60.0, "minutes"
        for name, rows in runs.items():
            axis.plot([row[key] * scale for row in rows], [row["goals"] for row in rows], label=name, linewidth=1.8)
        axis.set_xlabel(label)
        # The labels of a young run are long: 0.0005 simulated years.
        axis.xaxis.set_major_locator(MaxNLocator(5))
        axis.grid(alpha=0.25, linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_ylim(bottom=0.0)
        axis.set_xlim(left=0.0)
    axes[0].set_ylabel("goals in a row, while training")
    if len(runs) > 1:
        axes[0].legend(frameon=False)
    else:
        figure.suptitle(next(iter(runs)), fontsize=10)
    return figure

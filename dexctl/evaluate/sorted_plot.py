"""Sorted trials of several policies in one picture, with each mean and its interval beside them."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dexctl.evaluate.curve import figure_svg
from dexctl.evaluate.paper import Goals
from dexctl.store.whole_file import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which the colour-blind tell apart.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_PAPER = "#8a9099"


def draw_sorted(scores: Sequence[tuple[str, Mapping[str, Any]]], paper: Sequence[Goals], path: Path) -> None:
    """Draws trials sorted from best to worst, and means.

    Args:
        scores: as ``trials.score`` gives them, with a label each.
        paper: rows to stand beside them.
        path: its suffix says which kind of picture.

    Raises:
        CreateError, InputOutputError: it cannot be written.
    """
    file = io.BytesIO()
    _figure(scores, paper).savefig(file, format=path.suffix[1:].lower())
    write_whole(path, file.getvalue())


def sorted_svg(scores: Sequence[tuple[str, Mapping[str, Any]]], paper: Sequence[Goals]) -> str:
    """The same as SVG, to stand in a page."""
    return figure_svg(_figure(scores, paper))


def _figure(scores: Sequence[tuple[str, Mapping[str, Any]]], paper: Sequence[Goals]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 3.6 + 0.12 * (len(scores) + len(paper))), dpi=120, layout="constrained")
    curves, means = figure.subplots(1, 2, width_ratios=(1.5, 1.0))
    lines = [(name, one["trials"], one["mean"], one["interval"]) for name, one in scores]
    for (_, trials, _, _), color in zip(lines, _cycle(len(lines)), strict=True):
        _steps(curves, trials, color)
    for row in paper:
        if row.trials:
            _steps(curves, row.trials, _PAPER, ":")
    curves.set(xlabel="trials, best first, %", ylabel="goals in a row", xlim=(0, 100))
    curves.set_ylim(bottom=0)
    _means(means, lines, paper)
    for axis in (curves, means):
        axis.grid(alpha=0.25, linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
    return figure


def _steps(axis: Axes, trials: Sequence[int], color: str, style: str = "-") -> None:
    edges = [100.0 * index / max(1, len(trials)) for index in range(len(trials) + 1)]
    axis.stairs(list(trials), edges, color=color, linewidth=1.8, linestyle=style, baseline=None)


def _means(axis: Axes, lines: Sequence[tuple[str, Any, float | None, Any]], paper: Sequence[Goals]) -> None:
    rows = [
        (name, mean, interval, color)
        for (name, _, mean, interval), color in zip(lines, _cycle(len(lines)), strict=True)
    ]
    rows += [(_label(row), row.mean, None, _PAPER) for row in paper]
    for place, (_, mean, interval, color) in enumerate(rows):
        if mean is None:
            continue
        if interval:
            axis.plot(interval, [place, place], color=color, linewidth=2.4, alpha=0.45, solid_capstyle="round")
        axis.plot([mean], [place], marker="o", color=color, markersize=6)
        axis.annotate(f"{mean:.1f}", (mean, place), (0, 7), textcoords="offset points", ha="center", fontsize=8)
    axis.set_yticks(range(len(rows)), [name for name, *_ in rows], fontsize=8)
    for text, (*_, color) in zip(axis.get_yticklabels(), rows, strict=True):
        text.set_color(color)
    axis.set(xlabel="goals in a row, mean and 95% interval", ylim=(len(rows) - 0.4, -0.7))
    axis.margins(x=0.08)
    axis.set_xlim(left=0)


def _label(row: Goals) -> str:
    return f"{row.source}, {row.place}:\n{row.label}"


def _cycle(count: int) -> list[str]:
    return [COLORS[index % len(COLORS)] for index in range(count)]

"""A picture of what randomization drew: a small panel for each quantity, with the stated distribution over it."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dexctl.profile.distribution import Distribution, support
from dexctl.randomize.sampled import Sampled

_COLUMNS, _PANEL_INCHES = 4, (3.3, 1.75)
_HEADING_INCHES = 0.42
_MOST_BINS, _NUMBERS_IN_A_BIN = 40, 50
_PADDING = {"w_pad": 0.09, "h_pad": 0.06}
_INK, _PALE = "#26323a", "#7b868c"
# Title, colour and what begins the keys of each group.
_GROUPS = (
    ("Physics", "#3d7ea6", "randomize.physics."),
    ("Observation", "#d08c2e", "randomize.observation."),
    ("Unmodeled effects", "#5b8f5b", "randomize.unmodeled."),
    ("Appearance of pictures", "#8a63a6", "randomize.appearance."),
    ("Poses in pictures", "#a65a5a", "randomize.pose."),
)
# How far out unbounded distributions are shown.
_NORMAL_REACH, _EXPONENTIAL_REACH = 4.0, 6.0


def draw_samples_figure(samples: Sequence[Sampled], title: str, suffix: str) -> bytes:
    """Draws every quantity.

    Args:
        samples: at least one.
        suffix: ``.png``, ``.svg`` or ``.pdf``.

    Returns:
        The content of a file of that format.
    """
    from matplotlib.figure import Figure

    groups = [
        (name, color, start, [one for one in samples if one.key.startswith(start)]) for name, color, start in _GROUPS
    ]
    groups = [group for group in groups if group[3]]
    rows = [math.ceil(len(members) / _COLUMNS) for *_, members in groups]
    heights = [_HEADING_INCHES + count * _PANEL_INCHES[1] for count in rows]
    width, top = _COLUMNS * _PANEL_INCHES[0], 0.45
    figure = Figure(figsize=(width, sum(heights) + top), dpi=110, layout="constrained", facecolor="white")
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.set(**_PADDING)  # pyright: ignore[reportCallIssue]
    figure.suptitle(title, x=0.008, ha="left", fontsize=13, color=_INK)
    parts = figure.subfigures(len(groups), 1, squeeze=False, height_ratios=heights).ravel()
    for part, count, (name, color, start, members) in zip(parts, rows, groups, strict=True):
        part.suptitle(name, x=0.008, ha="left", fontsize=12, color=color, fontweight="bold")
        axes = part.subplots(count, _COLUMNS, squeeze=False).ravel()
        for axis, one in zip(axes, members, strict=False):
            _draw(axis, one, color, one.key.removeprefix(start))
        for axis in axes[len(members) :]:
            axis.set_axis_off()
    content = io.BytesIO()
    figure.savefig(content, format=suffix.removeprefix("."))
    return content.getvalue()


def _draw(axis: Any, one: Sampled, color: str, name: str) -> None:
    numbers = one.drawn.flatten().numpy()
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.spines["bottom"].set_color(_PALE)
    axis.set_yticks([])
    axis.tick_params(colors=_PALE, labelsize=7, length=2)
    unit = f", {one.unit}" if one.unit else ""
    axis.set_title(f"{_words(name, one.unit)}{unit}", loc="left", fontsize=9, color=_INK, pad=13)
    each = f" · each {one.each}" if one.each else ""
    axis.text(0, 1.03, f"per {one.per}{each} · {len(numbers):,}", transform=axis.transAxes, fontsize=7, color=_PALE)
    if one.chance:
        assert isinstance(one.stated, float)
        _draw_share(axis, numbers, one.stated, color)
    elif isinstance(one.stated, tuple):
        _draw_whole(axis, numbers, one.stated, color)
    elif isinstance(one.stated, Distribution):
        _draw_distribution(axis, numbers, one.stated, color)
    else:
        _draw_number(axis, numbers, one.stated, color)


def _words(name: str, unit: str) -> str:
    """A key as a heading: its unit stands apart already."""
    return name.removesuffix("_per_s").removesuffix("_" + unit.replace("/", "_")).replace("_", " ").replace(".", ": ")


def _draw_share(axis: Any, numbers: np.ndarray, stated: float, color: str) -> None:
    share = float(numbers.mean()) if len(numbers) else 0.0
    axis.barh(0, share, color=color, alpha=0.55, height=0.5)
    axis.plot([stated, stated], [-0.45, 0.45], color=_INK, linewidth=1.4)
    axis.set_xlim(0, 1 if stated > 0.2 else 2 * max(stated, share, 1e-9))
    axis.set_ylim(-1, 1)
    axis.text(share, -0.75, f" {share:.3g}, stated {stated:.3g}", fontsize=7, color=_PALE, ha="center")


def _draw_whole(axis: Any, numbers: np.ndarray, ends: tuple[int, int], color: str) -> None:
    """Whole numbers from one end to the other, each as likely."""
    at = np.arange(ends[0], ends[1] + 1)
    shares = [float((numbers == one).mean()) for one in at]
    axis.bar(at, shares, width=0.6, color=color, alpha=0.55)
    axis.hlines(1 / len(at), ends[0] - 0.5, ends[1] + 0.5, color=_INK, linewidth=1.4)
    axis.set_xticks(at)
    axis.set_ylim(0, 1.15 * max(*shares, 1 / len(at)))


def _draw_number(axis: Any, numbers: np.ndarray, stated: float, color: str) -> None:
    values, counts = np.unique(np.round(numbers, 9), return_counts=True)
    near = max(0.1 * abs(stated), 2 * float(np.ptp(values)) if len(values) else 0.0, 1e-3)
    axis.bar(values, counts, width=near / 12, color=color, alpha=0.55)
    axis.axvline(stated, color=_INK, linewidth=1.4)
    axis.set_xlim(stated - near, stated + near)


def _draw_distribution(axis: Any, numbers: np.ndarray, stated: Distribution, color: str) -> None:
    low, high = _reach(stated)
    if low == high:
        _draw_number(axis, numbers, low, color)
        return
    logarithmic = stated.loguniform is not None
    bins = max(1, min(_MOST_BINS, len(numbers) // _NUMBERS_IN_A_BIN))
    edges = np.geomspace(low, high, bins + 1) if logarithmic else np.linspace(low, high, bins + 1)
    at = np.geomspace(low, high, 400) if logarithmic else np.linspace(low, high, 400)
    # On a logarithmic axis, of the logarithm: a log-uniform distribution is flat there.
    measure = np.log(edges) if logarithmic else edges
    counts = np.histogram(numbers, edges)[0] / max(1, len(numbers)) / np.diff(measure)
    axis.stairs(counts, edges, fill=True, color=color, alpha=0.55, linewidth=0)
    curve = _density(stated, at)
    axis.plot([low, *at, high], [0.0, *curve, 0.0], color=_INK, linewidth=1.4)
    if logarithmic:
        axis.set_xscale("log")
        ticks = [low, math.sqrt(low * high), high]
        axis.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks])
        axis.minorticks_off()
    else:
        axis.locator_params(axis="x", nbins=6)
    axis.set_ylim(0, 1.15 * max(float(curve.max()), float(counts.max())))


def _reach(stated: Distribution) -> tuple[float, float]:
    """Where nearly all numbers of a distribution lie."""
    if stated.normal is not None:
        mean, std = stated.normal
        return mean - _NORMAL_REACH * std, mean + _NORMAL_REACH * std
    if stated.exponential is not None:
        return 0.0, _EXPONENTIAL_REACH * stated.exponential
    return support(stated)


def _density(stated: Distribution, at: np.ndarray) -> np.ndarray:
    """Probability density at numbers within reach; of a log-uniform distribution, of the logarithm."""
    if stated.normal is not None:
        mean, std = stated.normal
        return np.exp(-0.5 * ((at - mean) / std) ** 2) / (std * math.sqrt(2 * math.pi))
    if stated.exponential is not None:
        return np.exp(-at / stated.exponential) / stated.exponential
    low, high = support(stated)
    width = math.log(high / low) if stated.loguniform is not None else high - low
    return np.full_like(at, 1.0 / width)

"""Scores beside each other: which is better and how sure that is, as tables and for a document."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from dexctl.console.output import Table
from dexctl.evaluate.comparison import LEVEL, Difference, decide, difference
from dexctl.evaluate.paper import Goals
from dexctl.evaluate.trials import Trial, goals_by_trial


def labelled(scores: Sequence[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Scores with what tells them apart: the policy, and the profile where there are several."""
    several = len({one["profile"] for one in scores}) > 1
    return [(f"{one['name']} on {one['profile']}" if several else one["name"], one) for one in scores]


def shortened(goals: Sequence[int]) -> str:
    """Sorted trials in one line, equal ones together: ``50 x3, 41, 7 x2``."""
    counts = {one: goals.count(one) for one in dict.fromkeys(goals)}
    return ", ".join(f"{one} x{count}" if count > 1 else str(one) for one, count in counts.items())


def less_first(trials: Sequence[Sequence[Trial]]) -> list[Difference | None]:
    """Each score less the first, trial by trial; None where there are too few."""
    first, *others = [goals_by_trial(some) for some in trials]
    found = [difference(other, first) for other in others]
    decided = iter(decide([one for one in found if one]))
    return [next(decided) if one else None for one in found]


def document_of(
    scores: Sequence[dict[str, Any]], differences: Sequence[Difference | None], rows: Sequence[Goals]
) -> dict[str, Any]:
    """The scores, each after the first with how it differs from it, and the paper's rows, for a document."""
    apart = [{"less_first": one and dataclasses.asdict(one)} for one in differences]
    return {
        "policies": [{**score, **more} for score, more in zip(scores, [{}, *apart], strict=True)],
        "paper": [{name: getattr(row, name) for name in row.__struct_fields__} for row in rows],
    }


def tables(
    named: Sequence[tuple[str, dict[str, Any]]], rows: Sequence[Goals], differences: Sequence[Difference | None]
) -> list[Table]:
    """The scores for people.

    Args:
        named: scores with what tells them apart; rows: of the paper; differences: of ``less_first``.
    """
    ends = ("drop", "timeout", "full", "error")
    headings = ("goals in a row", "mean ± std", "median", f"{LEVEL:.0%} interval", "s/goal", *ends)
    table = [
        (
            name,
            _spread(one["mean"], one["std"]),
            one["median"],
            _range(one["interval"]),
            None if one["time_per_goal_s"] is None else round(one["time_per_goal_s"], 2),
            *(one["ends"][end] for end in ends),
        )
        for name, one in named
    ]
    nothing = (None,) * (2 + len(ends))
    table += [(paper_label(row), _spread(row.mean, row.std), row.median, *nothing) for row in rows]
    sorted_trials = [(name, shortened(one["trials"])) for name, one in named]
    sorted_trials += [(paper_label(row), shortened(row.trials)) for row in rows if row.trials]
    shown = [Table(headings, table), Table(("", "sorted trials"), sorted_trials)]
    if differences:
        apart = [
            (name, one and round(one.mean, 2), _range(one and one.interval), one and round(one.p, 4), _verdict(one))
            for (name, _), one in zip(named[1:], differences, strict=True)
        ]
        shown.append(Table((f"less {named[0][0]}", "mean", f"{LEVEL:.0%} interval", "p", ""), apart))
    return shown


def paper_label(row: Goals) -> str:
    """How a row of the paper is called beside ours."""
    return f"paper, {row.source}, {row.place}: {row.label}"


def _spread(mean: float | None, std: float | None) -> str | None:
    if mean is None:
        return None
    return f"{mean:.2f}" if std is None else f"{mean:.2f} ± {std:.2f}"


def _range(bounds: tuple[float, float] | None) -> str | None:
    return bounds and f"{bounds[0]:.2f} .. {bounds[1]:.2f}"


def _verdict(one: Difference | None) -> str:
    return one.verdict if one else "undecided"

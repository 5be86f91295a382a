#!/usr/bin/env python
"""Tells when runs first reached so many goals in a row while training: tools/reached.py runs/a runs/b ...

The paper's times to full performance stand below, with and without randomizations.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from dexctl.console.output import Cell, Output, Table
from dexctl.evaluate.curve import read_iterations
from dexctl.evaluate.paper import results

GOALS = (0.5, 1, 2, 5, 10, 20, 40)


def main(*runs: str) -> None:
    """Reads the runs' events and prints a row for each."""
    rows = [_row(Path(run)) for run in runs]
    headings = ("run", "best so far", "M steps", *(f"{goals:g} goals" for goals in GOALS))
    paper = results().training
    Output().show(
        {},
        Table(headings, rows),
        Table(
            (),
            [
                (f"paper, {paper.source}, no randomizations", f"{paper.none_years:g} y, {paper.none_hours:g} h"),
                (f"paper, {paper.source}, all randomizations", f"{paper.all_years:g} y, {paper.all_hours:g} h"),
                ("paper, 8 times the machines: sooner at 20 goals", f"{paper.eight_gpus_over_one_to_20_goals:g} times"),
                (
                    "paper, twice as many again: sooner at 40 goals",
                    f"{paper.sixteen_gpus_over_eight_to_40_goals:g} times",
                ),
            ],
        ),
    )


def _row(run: Path) -> list[Cell]:
    iterations = [row for row in read_iterations(run / "events.jsonl") if row.get("goals") is not None]
    best = max((row["goals"] for row in iterations), default=None)
    steps = iterations[-1]["steps"] / 1e6 if iterations else None
    return [run.name, best, steps, *(_when(iterations, goals) for goals in GOALS)]


def _when(iterations: list[dict[str, Any]], goals: float) -> str | None:
    for row in iterations:
        if row["goals"] >= goals:
            return f"{row['simulated_years']:.3g} y, {row['elapsed_s'] / 3600:.2f} h"
    return None


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])

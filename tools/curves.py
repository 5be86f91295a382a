#!/usr/bin/env python
"""Writes the learning curves of runs as one JSON and draws them into one picture.

tools/curves.py OUT runs/a runs/b ...      makes OUT.json and OUT.png
tools/curves.py OUT                        draws OUT.png again from OUT.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from dexctl.evaluate.curve import draw_curves, read_iterations

KEPT = ("elapsed_s", "steps", "simulated_years", "goals", "reward", "entropy", "kl", "drop_share")
POINTS = 400


def main(out: str, *runs: str) -> None:
    """Reads, thins out, writes, draws."""
    path = Path(f"{out}.json")
    if runs:
        curves = {Path(run).name: thinned(read_iterations(Path(run) / "events.jsonl")) for run in runs}
        path.write_text(json.dumps(curves, indent=None, separators=(",", ":")) + "\n", encoding="utf-8")
    draw_curves(json.loads(path.read_text(encoding="utf-8")), Path(f"{out}.png"))


def thinned(rows: list[dict[str, float]]) -> list[dict[str, float]]:
    """At most ``POINTS`` of the iterations, with what a curve shows."""
    stride = -(-len(rows) // POINTS)
    return [{key: _short(row[key]) for key in KEPT} for row in rows[::stride]]


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])

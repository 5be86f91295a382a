"""What got slower between two documents, of ``all.py`` or of a bench with ``--json``.

    python tools/bench/compare.py before.json after.json

``slower`` is how many times slower the second is, by the medians: 2 took twice as long, or did half as much in
a second. Ratios, which a bench takes inside each run, are judged by what stands above their line, and alone
where the two were not measured on the same processor, cores and GPU. Exit code 1 when something got slower than
the threshold allows, or failed that had not.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dexctl.console.output import Output, Table

THRESHOLD = 1.2
# What a measure's name says of it. A rate: more is faster. A time: less is faster. All else is not judged.
RATE = re.compile(r"_per_s(_|$)|_per_cpu_s$|_mb_s$|_per_core$|realtime$|_times_real_time$|_within_half_ms$")
TIME = re.compile(r"(^|_)(s|ms|us)(_|$)")


def slower(name: str, before: float, after: float) -> float | None:
    """How many times slower ``after`` is by a measure of this name; None where the name says neither rate nor time."""
    if not before or not after:
        return None
    if RATE.search(name):
        return before / after
    return after / before if TIME.search(name) else None


def medians(bench: Mapping[str, Any]) -> dict[str, float]:
    """By measure; a bench without ratios has rows of different things, each a measure of its own."""
    runs = bench["runs"]
    if "ratios" in bench:
        return {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    return {
        f"row_{index}_{name}": value
        for index, run in enumerate(runs)
        for name, value in run.items()
        if not isinstance(value, str)
    }


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every judged measure and ratio that two documents of one bench both have."""
    same = all(before["machine"].get(key) == after["machine"].get(key) for key in ("processor", "cores", "gpu"))
    rows = []
    old, new = medians(before), medians(after)
    judged = [(name, name, old[name], new[name]) for name in old if same and name in new]
    both = [ratio for ratio in before.get("ratios", ()) if ratio in after.get("ratios", ())]
    judged += [(name, after["parts"][name][0], before["ratios"][name], after["ratios"][name]) for name in both]
    for name, judge, was, is_now in judged:
        factor = slower(judge, was, is_now)
        if factor is not None:
            rows.append({"bench": after["name"], "measure": name, "before": was, "after": is_now, "slower": factor})
    return rows


def read(path: Path, parser: argparse.ArgumentParser) -> dict[str, dict[str, Any]]:
    """The benches of a document by name."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return {bench["name"]: bench for bench in document.get("benches", [document])}
    except OSError as error:
        parser.error(f"{path}: {error.strerror}")
    except (ValueError, KeyError, AttributeError, TypeError):
        parser.error(f"{path}: not a document of all.py, nor of a bench with --json")


def main() -> None:
    """Compares and prints."""
    parser = argparse.ArgumentParser(prog="compare", description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--threshold", type=float, default=THRESHOLD, help="slower than this is told; 1.2")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    if arguments.threshold < 1.0:
        parser.error("--threshold: below 1 it would call slower what got faster")
    before, after = read(arguments.before, parser), read(arguments.after, parser)
    both = [name for name in before if name in after]
    if not both:
        parser.error("the two have no bench in common")
    rows: list[dict[str, Any]] = []
    failed = [name for name in both if "failed" in after[name] and "failed" not in before[name]]
    for name in both:
        if "failed" not in before[name] and "failed" not in after[name]:
            rows += compare(before[name], after[name])
    slow = [row for row in rows if row["slower"] > arguments.threshold]
    alone = [name for name in {**before, **after} if name not in both]
    for name in alone:
        print(f"{name}: only in one of the two", file=sys.stderr)
    document = {"threshold": arguments.threshold, "compared": rows, "slower": slow, "failed": failed}
    ordered = sorted(rows, key=lambda row: -row["slower"])
    Output(json=arguments.json).show(
        document,
        Table(("bench", "measure", "before", "after", "slower"), [tuple(row.values()) for row in ordered])
        if ordered
        else Table((), [], "nothing to compare"),
        Table((), [], f"{len(slow)} of {len(rows)} slower than {arguments.threshold:g} times")
        if not failed
        else Table((), [(name,) for name in failed], "failed, and had not before"),
    )
    if slow or failed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

"""Every bench one after the other, in processes of their own: one JSON document and one table.

    python tools/bench/all.py -o runs/bench              runs/bench.json and runs/bench.txt
    python tools/bench/all.py -o runs/bench --only startup wire
    python tools/bench/compare.py before.json runs/bench.json

Both files are written after each bench, so that a day of them can be stopped. A bench that fails is in the
table with what it said last, and the exit code is 1. ``recovery.py`` is not among them: it asks how well
calibration finds a hand, not how fast.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness import LEAST_RUNS, describe_date, describe_machine, describe_versions, tables_of

from dexctl.console.json_text import to_json
from dexctl.console.output import Table
from dexctl.store.whole_file import write_whole

FOLDER = Path(__file__).parent
# The shortest first.
BENCHES = (
    "startup",
    "wire",
    "calibrate",
    "rollout",
    "randomize",
    "physics",
    "vision",
    "render",
    "loop",
    "train",
    "scaling",
    "scale",
    "peers",
)
# Benches with a command line of their own: how they are measured, and at the size of a toy.
OWN = {"scale": ((), ("--toy",))}


def run_bench(name: str, num_runs: int, toy: bool) -> dict[str, Any]:
    """What a bench printed with ``--json``, or ``name`` and ``failed``, the last line it said."""
    plain, small = OWN.get(name, (("--runs", str(num_runs)), ("--toy",)))
    command = [sys.executable, str(FOLDER / f"{name}.py"), "--json", *(small if toy else plain)]
    # A file, as a pipe that nobody reads yet would fill; what it says meanwhile is shown at once.
    with tempfile.TemporaryFile("w+", encoding="utf-8") as printed:
        said = ""
        with subprocess.Popen(command, stdout=printed, stderr=subprocess.PIPE, text=True) as process:
            for line in process.stderr or ():
                print(line, end="", file=sys.stderr)
                said = line.strip() or said
        if process.returncode:
            return {"name": name, "failed": said or f"it ended with {process.returncode}"}
        printed.seek(0)
        return json.load(printed)


def summary(document: Mapping[str, Any]) -> str:
    """The document's table for people."""
    tables = [
        Table((), [*document["machine"].items(), *document["versions"].items(), ("date", document["date"])]),
    ]
    for bench in document["benches"]:
        if "failed" in bench:
            tables.append(Table((), [(bench["failed"],)], f"{bench['name']}: failed"))
            continue
        shown = tables_of(bench) if "ratios" in bench else [_rows(bench["runs"])]
        tables += [Table((), [], f"{bench['name']}, load {bench['machine']['load']:.1f} at its start"), *shown]
    return "\n\n".join("\n".join(table.lines()) for table in tables) + "\n"


def _rows(runs: list[dict[str, Any]]) -> Table:
    return Table(tuple(runs[0]), [tuple(run.values()) for run in runs])


def main() -> None:
    """Runs what was asked for and writes it down."""
    parser = argparse.ArgumentParser(prog="all", description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/bench"), help="of both files, without .json")
    parser.add_argument("--only", nargs="+", choices=BENCHES, default=BENCHES, metavar="NAME", help=", ".join(BENCHES))
    parser.add_argument("--runs", type=int, default=LEAST_RUNS, help=f"of each, at least {LEAST_RUNS}")
    parser.add_argument("--toy", action="store_true", help="one small run each: shows that they work, measures nothing")
    arguments = parser.parse_args()
    if arguments.runs < LEAST_RUNS:
        parser.error(f"--runs: a median of fewer than {LEAST_RUNS} says little")
    document: dict[str, Any] = {
        "machine": describe_machine(),
        "versions": describe_versions(),
        "date": describe_date(),
        "benches": [],
    }
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(arguments.only):
        print(f"{name}, {index + 1} of {len(arguments.only)}", file=sys.stderr)
        document["benches"].append(run_bench(name, arguments.runs, arguments.toy))
        write_whole(arguments.output.with_name(f"{arguments.output.name}.json"), to_json(document).encode())
        write_whole(arguments.output.with_name(f"{arguments.output.name}.txt"), summary(document).encode())
    print(summary(document), end="")
    if any("failed" in bench for bench in document["benches"]):
        raise SystemExit(1)


if __name__ == "__main__":
    main()

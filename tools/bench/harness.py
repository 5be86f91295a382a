"""What every bench shares: alternating runs, medians, ratios within one run, one way to tell them.

A bench is a few cases, each a function that does its work once and returns what it measured
by name. Every run calls every case, forwards and backwards in turn, so that a machine that
is slowly getting slower favours none. A ratio is taken inside each run, and then its median.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from dexctl.console.machine import usable_cores
from dexctl.console.output import Output, Table

LEAST_RUNS = 5
PACKAGES = ("dexctl", "mujoco", "torch", "numpy", "zarr", "pyzmq")
# Told where they are installed.
GPU_PACKAGES = ("mujoco-warp", "warp-lang")

Case = Callable[[], Mapping[str, float]]
Run = dict[str, float]


def measure(cases: Sequence[Case], num_runs: int, num_warm_ups: int = 1) -> list[Run]:
    """Runs all cases in turn, so many times after so many that are not counted."""
    runs = []
    for index in range(num_warm_ups + num_runs):
        ordered = cases if index % 2 == 0 else list(reversed(cases))
        runs.append({name: value for case in ordered for name, value in case().items()})
    return runs[num_warm_ups:]


def median_ratio(runs: Sequence[Run], above: str, below: str) -> float:
    """Median over the runs of one measure divided by another of the same run."""
    return statistics.median(run[above] / run[below] for run in runs)


def describe_machine() -> dict[str, str | int | float]:
    """Processor, cores, memory, GPU where there is one, system, and how busy it is with other work."""
    return {
        "processor": _processor(),
        "cores": usable_cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        **_gpu(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def describe_versions() -> dict[str, str]:
    """What was measured and what it stands on."""
    installed = [package for package in GPU_PACKAGES if any(metadata.distributions(name=package))]
    return {package: metadata.version(package) for package in (*PACKAGES, *installed)}


def describe_date() -> str:
    """Now, in UTC."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def bench(
    name: str,
    cases: Sequence[Case],
    ratios: Mapping[str, tuple[str, str]],
    num_warm_ups: int = 1,
    absent: Mapping[str, str] | None = None,
) -> None:
    """Parses the command line, measures, and prints a table, or one document with ``--json``.

    Args:
        name: of the bench.
        cases: what is measured.
        ratios: by name, the measure above the line and the one below.
        num_warm_ups: runs of all cases that are not counted.
        absent: what could not be measured, by name, and why.
    """
    parser = argparse.ArgumentParser(prog=name, description=sys.modules["__main__"].__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--runs", type=int, default=LEAST_RUNS, help=f"how often, at least {LEAST_RUNS}")
    parser.add_argument("--toy", action="store_true", help="one run, unwarmed: shows that it works, measures nothing")
    arguments = parser.parse_args()
    if arguments.runs < LEAST_RUNS:
        parser.error(f"--runs: a median of fewer than {LEAST_RUNS} says little")
    machine = describe_machine()
    runs = measure(cases, 1, 0) if arguments.toy else measure(cases, arguments.runs, num_warm_ups)
    document = {
        "name": name,
        "ratios": {ratio: median_ratio(runs, *pair) for ratio, pair in ratios.items()},
        "parts": ratios,
        "absent": absent or {},
        "runs": runs,
        "machine": machine,
        "versions": describe_versions(),
        "date": describe_date(),
    }
    tables = [*tables_of(document), Table((), list(machine.items()))]
    Output(json=arguments.json).show(document, *tables)


def tables_of(document: Mapping[str, Any]) -> list[Table]:
    """A bench's document for people: what was measured, and the ratios."""
    runs = document["runs"]
    measured = [[run[name] for run in runs] for name in runs[0]]
    rows = [
        (name, statistics.median(values), min(values), max(values))
        for name, values in zip(runs[0], measured, strict=True)
    ]
    absent = document.get("absent") or {}
    return [
        Table(("measure", "median", "least", "most"), rows, f"{len(runs)} runs"),
        Table(("ratio", "median"), list(document["ratios"].items())),
        *([Table(("not measured", "why"), list(absent.items()))] if absent else []),
    ]


def _gpu() -> dict[str, str]:
    """By its driver, whose program needs no seconds of torch's."""
    if shutil.which("nvidia-smi") is None:
        return {}
    asked = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.splitlines()
    return {"gpu": ", ".join(told)} if told else {}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())

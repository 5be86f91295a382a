"""Training for hours: whether memory and rate stay what they were.

    python tools/bench/soak.py --hours 6 -o runs/soak

Starts ``dexctl optimize`` with two workers and, at its updates, looks at the memory of each process and at the
steps learned from. Then the last quarter of the time is compared with the second: the first is for caches to
fill. Ends with 1 where the memory of a process grew by more than 5%, or the rate changed by more than 10%.
The settings of ``$DEXCTL_SET`` are the training's. Prints a table, or one document with ``--json``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness import describe_date, describe_machine, describe_versions

from dexctl.console.output import Output, Table

DEXCTL = f"{sysconfig.get_path('scripts')}/dexctl"
MEMORY, RATE = 0.05, 0.10
# Of a quarter, fewer say little.
LEAST_SAMPLES = 5
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Sample(NamedTuple):
    """One look: seconds since the first experience, steps learned from, resident MiB by process."""

    elapsed_s: float
    steps: int
    memory_mib: dict[str, float]


def samples(lines: Iterator[str]) -> Iterator[Sample]:
    """A look at each update that the events of a training tell of; at processes that run on this machine."""
    processes: dict[str, int] = {}
    for event in map(json.loads, lines):
        if event["event"] == "start":
            processes["optimizer"] = event["pid"]
        elif event["event"] == "worker_joined":
            processes[f"{event['name']} ({event['pid']})"] = event["pid"]
        elif event["event"] == "iteration":
            memory = {name: found for name, pid in processes.items() if (found := _resident_mib(pid)) is not None}
            yield Sample(event["elapsed_s"], event["steps"], memory)


def _resident_mib(pid: int) -> float | None:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None
    return pages * _PAGE_BYTES / 2**20


def compared(looks: Sequence[Sample]) -> dict[str, Any]:
    """The last quarter beside the second.

    Returns:
        ``rate`` and, by process, ``memory``: before, after, and by what share it changed; ``gone``, processes
        that are not there any more.

    Raises:
        ValueError: a quarter has too few looks.
    """
    begin_s, end_s = looks[0].elapsed_s, looks[-1].elapsed_s
    quarter_s = (end_s - begin_s) / 4
    second = [look for look in looks if begin_s + quarter_s <= look.elapsed_s < begin_s + 2 * quarter_s]
    last = [look for look in looks if look.elapsed_s >= end_s - quarter_s]
    if min(len(second), len(last)) < LEAST_SAMPLES:
        raise ValueError(f"{len(looks)} updates are too few to compare quarters of them")
    known, there = set(second[0].memory_mib), set(last[-1].memory_mib)
    whole = [name for name in second[0].memory_mib if all(name in look.memory_mib for look in (*second, *last))]
    memory = {
        name: _change(*(statistics.median(look.memory_mib[name] for look in part) for part in (second, last)))
        for name in whole
    }
    return {"rate": _change(_rate(second), _rate(last)), "memory": memory, "gone": sorted(known - there)}


def _rate(looks: Sequence[Sample]) -> float:
    return (looks[-1].steps - looks[0].steps) / (looks[-1].elapsed_s - looks[0].elapsed_s)


def _change(before: float, after: float) -> dict[str, float]:
    return {"before": before, "after": after, "change": after / before - 1}


def faults(found: dict[str, Any]) -> list[str]:
    """What did not stay as it was, in words."""
    told = [
        f"{name}: memory grew by {100 * one['change']:.1f}%"
        for name, one in found["memory"].items()
        if one["change"] > MEMORY
    ]
    told += [f"{name} is gone" for name in found["gone"]]
    if abs(found["rate"]["change"]) > RATE:
        told.append(f"the rate changed by {100 * found['rate']['change']:+.1f}%")
    return told


def main() -> None:
    """Trains, compares, and prints."""
    parser = argparse.ArgumentParser(prog="soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hours", type=float, default=6.0)
    parser.add_argument("--profile", default="block-yaw")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("-o", "--run", type=Path, required=True, help="the training's folder, a new one")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    asked = parser.parse_args()
    if asked.run.exists():
        parser.error(f"{asked.run} is there already; name a new folder")
    machine = describe_machine()
    command = [DEXCTL, "optimize", "--profile", asked.profile, "--run", str(asked.run)]
    command += ["--workers", str(asked.workers), "--minutes", str(60 * asked.hours), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as training:
        assert training.stdout is not None
        looks = list(samples(training.stdout))
    if training.returncode:
        raise SystemExit(training.returncode)
    try:
        found = compared(looks)
    except ValueError as error:
        raise SystemExit(f"soak: {error}; take more --hours") from error
    wrong = faults(found)
    document = {
        "name": "soak",
        "hours": asked.hours,
        "profile": asked.profile,
        "updates": len(looks),
        **found,
        "faults": wrong,
        "machine": machine,
        "versions": describe_versions(),
        "date": describe_date(),
    }
    rows = [("steps/s", *found["rate"].values())]
    rows += [(f"MiB of {name}", *one.values()) for name, one in found["memory"].items()]
    told = Table(("", "second quarter", "last quarter", "change"), rows, f"{len(looks)} updates in {asked.hours:g} h")
    Output(json=asked.json).show(document, told, Table((), list(machine.items())))
    for fault in wrong:
        print(f"soak: {fault}", file=sys.stderr)
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

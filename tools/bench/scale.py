"""What a front end carries: up to 6,144 stand-in workers against one and two optimizer front ends on this machine.

A front end is an optimizer's endpoint that takes every segment and learns nothing. Its CPU time, and
not the wall clock, is what counts here: the workers are on the same cores. From it and from the bytes
follows what a host of 16 cores carries behind a 10 or 100 Gbit/s link, and how many front ends the
paper's system takes: 6,144 worker cores on 384 hosts, about 220,000 environment steps/s in all.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import describe_machine
from scale_peers import WIRE, WORKERS_A_HOST, layout_of

from dexctl.console.output import Output, Table

# Section 4.3: 384 machines of 16 cores, about 2 simulated years an hour, at 0.08 s a step.
PAPER_WORKERS, PAPER_STEPS_PER_S = 6144, 220_000
CORES, LINKS_GBIT = 16, (10, 100)
# Of the paper's policy with an LSTM of 512 and a dense layer of 1024, 32 bits a number.
PARAMETER_BYTES = 13 << 20
# What is published once in each measurement; more would measure this machine's loopback alone.
PUBLISHED_BYTES = 1 << 20
# Environment steps/s that one core of ours makes (tools/bench/rollout.py).
OUR_STEPS_PER_S_A_CORE = 2150


@contextlib.contextmanager
def peer(role: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Another process, killed at the end."""
    command = [sys.executable, str(Path(__file__).with_name("scale_peers.py")), role, json.dumps(options)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def hear(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next line of another process."""
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise SystemExit("a process of the bench ended early")
    return json.loads(line)


def tell(process: subprocess.Popen[str], seconds: float) -> None:
    """Has a front end measure."""
    print(seconds, file=process.stdin, flush=True)


def measure(fronts: int, workers: int, steps_per_s: float, shape: dict[str, Any], seconds: float) -> dict[str, float]:
    """Front ends and workers together, once.

    Args:
        steps_per_s: of all workers; 0 sends as fast as credits allow.
        shape: profile, and size of a segment.
    """
    layout = layout_of(shape)
    with contextlib.ExitStack() as stack:
        serving = [stack.enter_context(peer("front", parameter_bytes=PUBLISHED_BYTES, **shape)) for _ in range(fronts)]
        endpoints = [hear(front)["endpoint"] for front in serving]
        crowd = stack.enter_context(
            peer("workers", endpoints=endpoints, workers=workers, steps_per_s=steps_per_s, **shape)
        )
        hear(crowd)
        for front in serving:
            tell(front, 0)
        shares = [hear(front)["workers"] for front in serving]
        for front in serving:
            tell(front, seconds)
        rows = [hear(front) for front in serving]
    segments = sum(row["segments"] for row in rows)
    elapsed_s = statistics.mean(row["seconds"] for row in rows)
    steps = segments * layout.steps * layout.environments
    cpu_s = sum(row["cpu_s"] for row in rows)
    return {
        "fronts": fronts,
        "workers": workers,
        "least_share": min(shares) / workers,
        "steps_per_s": steps / elapsed_s,
        "mb_per_s": segments * layout.num_bytes / elapsed_s / 1e6,
        # A segment, its credit, and twice a heartbeat.
        "messages_per_s": 2 * segments / elapsed_s + 2 * workers / WIRE.heartbeat_s,
        "cpu_cores": cpu_s / elapsed_s,
        "cpu_us_per_step": 1e6 * cpu_s / steps if steps else float("nan"),
        "memory_mib": max(row["memory_mib"] for row in rows),
    }


def carried(row: dict[str, float], bytes_per_step: float) -> list[tuple[str | float, ...]]:
    """What a host carries if its cores do what this one did, and what the paper's scale takes of them."""
    # One thread of Python serves a front end, so it is counted as one core at most.
    by_cpu = 1e6 / row["cpu_us_per_step"]
    rows: list[tuple[str | float, ...]] = []
    for gbit in LINKS_GBIT:
        by_link = gbit * 1e9 / 8 / bytes_per_step
        host = min(CORES * by_cpu, by_link)
        limit = "the link" if by_link < CORES * by_cpu else "its cores"
        rows.append((gbit, by_cpu, by_link, host, limit, PAPER_STEPS_PER_S / by_cpu, host / OUR_STEPS_PER_S_A_CORE))
    return rows


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="scale", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--workers", type=int, default=PAPER_WORKERS, help="at most so many")
    arguments = parser.parse_args()
    paper = {"profile": "block-paper", "environments": 1, "segment_steps": 100}
    ours = {"profile": "block", "environments": 512, "segment_steps": 16}
    counts = [count for count in (64, 1024) if count < arguments.workers] + [arguments.workers]
    cases = [(fronts, count, PAPER_STEPS_PER_S, paper) for count in counts for fronts in (1, 2)]
    cases += [(1, 64, 0, paper), (1, 16, 0, ours), (2, 16, 0, ours)]
    runs = []
    for fronts, count, rate, shape in cases:
        row = measure(fronts, count, rate, shape, arguments.seconds)
        layout = layout_of(shape)
        bytes_per_step = layout.num_bytes / layout.steps / layout.environments
        runs.append({"profile": shape["profile"], "asked": rate, "bytes_per_step": bytes_per_step, **row})
        # It takes minutes, and what is measured is told at once.
        print(" ".join(f"{name}={value}" for name, value in runs[-1].items()), file=sys.stderr)
    machine = describe_machine()
    measured = Table(tuple(runs[0]), [tuple(run.values()) for run in runs], "measured; asked 0 is as fast as it goes")
    headings = (
        "Gbit/s",
        "front end, steps/s",
        "link, steps/s",
        "host, steps/s",
        "limit",
        "for the paper",
        "cores of ours",
    )
    tables = []
    for run in runs:
        if run["fronts"] == 1 and (run["workers"] == arguments.workers or run["asked"] == 0):
            title = (
                f"carried by a host of {CORES} cores, by {run['workers']} workers of {run['profile']}"
                f" at {run['steps_per_s']:,.0f} steps/s, {run['bytes_per_step']:.0f} bytes a step"
            )
            tables.append(Table(headings, carried(run, run["bytes_per_step"]), title))
    seconds_an_update = 8 * 800_000 / PAPER_STEPS_PER_S
    parameters = PARAMETER_BYTES * PAPER_WORKERS / WORKERS_A_HOST / seconds_an_update / 1e6
    document = {
        "name": "scale",
        "runs": runs,
        "paper": {
            "experience_mb_per_s": PAPER_STEPS_PER_S * runs[0]["bytes_per_step"] / 1e6,
            "parameters_mb_per_s": parameters,
        },
        "machine": machine,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    needs = Table((), [(name, value) for name, value in document["paper"].items()], "the paper's scale, over all links")
    Output(json=arguments.json).show(document, measured, *tables, needs, Table((), list(machine.items())))


if __name__ == "__main__":
    main()

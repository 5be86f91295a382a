"""What a front end carries: up to 6,144 stand-in workers against one and two optimizer front ends on this machine.

A front end is an optimizer's endpoint that takes every segment and learns nothing. The workers send a segment
that a real one's collector made, at the paper's size and at ours. Messages and bytes are counted where they are
written and read, and by the kernel at the front end. A front end's CPU time, and not the wall clock, is what
counts here: the workers are on the same cores. From it and from the bytes follows what a host of 16 cores carries
behind a 10 or 100 Gbit/s link, and how many front ends the paper's system takes: 6,144 worker cores on 384 hosts,
about 220,000 environment steps/s in all.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import math
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import describe_machine
from recorded import Recorded, record
from scale_peers import WORKERS_A_HOST

from dexctl.console.output import Output, Table

# Section 4.3: 384 machines of 16 cores, about 2 simulated years an hour, at 0.08 s a step.
PAPER_WORKERS, PAPER_STEPS_PER_S = 6144, 220_000
# Table 10: eight GPUs with 800,000 steps each.
PAPER_BATCH_STEPS = 8 * 800_000
CORES, LINKS_GBIT = 16, (10, 100)
# Ethernet with frames of 1,500 bytes: 1,448 of TCP in 1,538, gaps and preambles among them.
PAYLOAD = 1448 / 1538
# What is published once in each measurement; more would measure this machine's loopback alone.
PUBLISHED_BYTES = 1 << 20
# Environment steps/s that one core of ours makes (tools/bench/rollout.py).
OUR_STEPS_PER_S_A_CORE = 2150


@dataclass(frozen=True)
class Size:
    """A profile, and the segments that its workers send."""

    profile: str
    environments: int
    segment_steps: int
    more: tuple[str, ...] = ()

    def recorded(self, path: Path) -> Recorded:
        """Makes one."""
        settings = (f"rollout.environments={self.environments}", f"rollout.segment_steps={self.segment_steps}")
        return record(self.profile, (*settings, *self.more), path)


PAPER, OURS = Size("block-paper", 1, 100), Size("block", 512, 16, ("task.start_bank=128",))
# The same at a size that takes no time, with starts that take none.
TOYS = (
    Size("block-paper", 1, 10, ("task.start_random_steps=1",)),
    Size("block", 8, 16, ("task.start_bank=8", "task.start_refresh=1", "task.start_random_steps=1")),
)


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


def tell(process: subprocess.Popen[str], seconds: float = 0.0) -> None:
    """Has a front end measure, or say who has come; has the workers say what they have counted."""
    print(seconds, file=process.stdin, flush=True)


def measure(
    fronts: int, workers: int, steps_per_s: float, path: Path, recorded: Recorded, seconds: float
) -> dict[str, float]:
    """Front ends and workers together, once.

    Args:
        steps_per_s: of all workers; 0 sends as fast as credits allow.
        path: of what was recorded.
    """
    with contextlib.ExitStack() as stack:
        segment = {"recorded": str(path)}
        serving = [
            stack.enter_context(peer("front", parameter_bytes=PUBLISHED_BYTES, **segment)) for _ in range(fronts)
        ]
        endpoints = [hear(front)["endpoint"] for front in serving]
        crowd = stack.enter_context(
            peer("workers", endpoints=endpoints, workers=workers, steps_per_s=steps_per_s, **segment)
        )
        hear(crowd)
        for front in serving:
            tell(front)
        shares = [hear(front)["workers"] for front in serving]
        # What piled up while all joined is taken first.
        for front in serving:
            tell(front, seconds / 2)
        for front in serving:
            hear(front)
        tell(crowd)
        before = hear(crowd)
        for front in serving:
            tell(front, seconds)
        rows = [hear(front) for front in serving]
        tell(crowd)
        after = hear(crowd)
    steps_a_segment = recorded.layout.steps * recorded.layout.environments
    segments, cpu_s = sum(row["segments"] for row in rows), sum(row["cpu_s"] for row in rows)
    if not segments:
        raise SystemExit("no segment came in the time of a measurement: give it more --seconds")
    elapsed_s = statistics.mean(row["seconds"] for row in rows)
    steps = segments * steps_a_segment
    sent, received = counted(before, after, "sent"), counted(before, after, "received")
    steps_sent = sent["segmentheader"] * steps_a_segment
    each = [now - then for then, now in zip(before["segments"], after["segments"], strict=True)]
    return {
        "fronts": fronts,
        "workers": workers,
        "least_share": min(shares) / workers,
        "steps_per_s": steps / elapsed_s,
        "sent_mb_per_s": sum(row["sent_bytes"] for row in rows) / elapsed_s / 1e6,
        "received_mb_per_s": sum(row["received_bytes"] for row in rows) / elapsed_s / 1e6,
        # Where a front end falls behind, the kernel has got more than it has taken.
        "received_bytes_per_step": sum(row["received_bytes"] for row in rows) / steps,
        "sent_bytes_per_step": (after["sent_bytes"] - before["sent_bytes"]) / steps_sent,
        "messages_to_front_per_segment": sum(sent.values()) / sent["segmentheader"],
        "messages_from_front_per_segment": sum(received.values()) / sent["segmentheader"],
        "messages_per_s": (sum(sent.values()) + sum(received.values())) / steps_sent * steps / elapsed_s,
        "least_over_most_segments": min(each) / max(each),
        "cpu_cores": cpu_s / elapsed_s,
        "cpu_us_per_step": 1e6 * cpu_s / steps,
        "memory_mib": max(row["memory_mib"] for row in rows),
    }


def counted(before: dict[str, Any], after: dict[str, Any], way: str) -> dict[str, int]:
    """Messages by kind between two accounts of the workers; at least one segment, as ratios stand over it."""
    counts = {kind: number - before[way].get(kind, 0) for kind, number in after[way].items()}
    if way == "sent" and not counts.get("segmentheader"):
        raise SystemExit("no segment was sent in the time of a measurement: give it more --seconds")
    return counts


def carried(row: dict[str, Any]) -> list[tuple[str | float, ...]]:
    """What a host carries if its cores do what this one did, and what the paper's scale takes of them."""
    # One thread of Python serves a front end, so it is counted as one core at most.
    by_cpu = 1e6 / row["cpu_us_per_step"]
    rows: list[tuple[str | float, ...]] = []
    for gbit in LINKS_GBIT:
        by_link = gbit * 1e9 / 8 * PAYLOAD / row["sent_bytes_per_step"]
        host = min(CORES * by_cpu, by_link)
        limit = "the link" if by_link < CORES * by_cpu else "its cores"
        front_ends = math.ceil(PAPER_STEPS_PER_S / min(by_cpu, by_link))
        hosts = math.ceil(PAPER_STEPS_PER_S / host)
        rows.append((gbit, by_cpu, by_link, host, limit, front_ends, hosts, host / OUR_STEPS_PER_S_A_CORE))
    return rows


CARRIED = (
    *("Gbit/s", "front end, steps/s", "link, steps/s", "host, steps/s", "limit"),
    *("front ends for the paper", "hosts for the paper", "worker cores of ours"),
)


def arguments_of_command_line() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="scale", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--workers", type=int, default=PAPER_WORKERS, help="at most so many")
    parser.add_argument(
        "--toy", action="store_true", help="short measurements of few: shows that it works, measures nothing"
    )
    arguments = parser.parse_args()
    if arguments.workers < 1 or arguments.seconds <= 0:
        parser.error("--workers and --seconds: more than none")
    if arguments.toy:
        arguments.workers, arguments.seconds = min(arguments.workers, 16), min(arguments.seconds, 0.5)
    needed, (_, allowed) = 2 * arguments.workers + 100, resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed < needed:
        parser.error(f"a front end needs {needed} descriptors, the system allows {allowed}: ulimit -n {needed}")
    return arguments


def main() -> None:
    """Records, measures and prints."""
    arguments = arguments_of_command_line()
    most = arguments.workers
    counts = [count for count in (64, 1024) if count < most] + [most]
    paper, ours = TOYS if arguments.toy else (PAPER, OURS)
    cases = [(fronts, count, PAPER_STEPS_PER_S, paper) for count in counts for fronts in (1, 2)]
    cases += [(1, min(64, most), 0, paper), (1, min(16, most), 0, ours), (2, min(16, most), 0, ours)]
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        paths = {size: Path(folder, size.profile) for size in (paper, ours)}
        segments = {size: size.recorded(path) for size, path in paths.items()}
        for fronts, count, rate, size in cases:
            row = measure(fronts, count, rate, paths[size], segments[size], arguments.seconds)
            runs.append({"profile": size.profile, "asked": rate, **row})
            # It takes minutes, and what is measured is told at once.
            print(" ".join(f"{name}={value}" for name, value in runs[-1].items()), file=sys.stderr)
    measured = Table(tuple(runs[0]), [tuple(run.values()) for run in runs], "measured; asked 0 is as fast as it goes")
    of_carrying = [run for run in runs if run["fronts"] == 1 and (run["workers"] == most or run["asked"] == 0)]
    tables = [
        Table(
            CARRIED,
            carried(run),
            f"carried by a host of {CORES} cores, by {run['workers']} workers of {run['profile']}"
            f" at {run['steps_per_s']:,.0f} steps/s, {run['sent_bytes_per_step']:.0f} bytes a step",
        )
        for run in of_carrying
    ]
    hosts, update_s = PAPER_WORKERS / WORKERS_A_HOST, PAPER_BATCH_STEPS / PAPER_STEPS_PER_S
    machine = describe_machine()
    document = {
        "name": "scale",
        "runs": runs,
        "carried": [
            {"profile": run["profile"], "workers": run["workers"], **dict(zip(CARRIED, row, strict=True))}
            for run in of_carrying
            for row in carried(run)
        ],
        "paper": {
            "experience_mb_per_s": PAPER_STEPS_PER_S * runs[0]["sent_bytes_per_step"] / 1e6,
            "parameters_mb": segments[paper].parameter_bytes / 1e6,
            "parameters_mb_per_s": segments[paper].parameter_bytes * hosts / update_s / 1e6,
        },
        "machine": machine,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    needs = Table((), list(document["paper"].items()), "the paper's scale, over all links")
    Output(json=arguments.json).show(document, measured, *tables, needs, Table((), list(machine.items())))


if __name__ == "__main__":
    main()

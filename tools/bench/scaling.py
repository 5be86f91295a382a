"""Environment steps trained on per second by 1, 2, 4 workers of a core each, and what a second optimizer process costs.

With so many workers everything is confined to so many cores: each worker is held to one of its own, and the
optimizer has what they leave of all of these. ``efficiency_at_N`` is the rate of N such cores over N times that of
one. CPU milliseconds a step, of everything that was started, stand beside the rates: on a busy machine they say more.
Where there are fewer cores than workers, these share them.

One process and two, each held to a core, learn from one recorded segment, the two from half of it each.
``averaging_over_learning`` is what averaging the gradients takes of an update, waiting for the slower process,
which stands beside it, left out. ``update_difference`` is how far the two came out from the one after an update:
the greatest difference of two numbers of its whole state, over the number where that is above 1.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from harness import Case, bench
from recorded import record
from safetensors.numpy import load_file

from dexctl.console.machine import usable_cores
from dexctl.profile.load import load

PROFILE = "block"
DEXCTL = f"{sysconfig.get_path('scripts')}/dexctl"
PROCESS = Path(__file__).with_name("scaling_peers.py")
UPDATES = 3
SETTINGS = ("task.start_bank=128", "task.start_random_steps=20", "rollout.environments=256")
COUNTS = tuple(count for count in (1, 2, 4, 8, 16) if count <= max(2, usable_cores()))
CORES = sorted(os.sched_getaffinity(0))


@contextlib.contextmanager
def confined(cores: list[int]) -> Iterator[None]:
    """What is started meanwhile runs on these cores alone."""
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, CORES)


def train(workers: int) -> dict[str, float]:
    """Trains a little, each worker on a core; the first update is left out."""
    steps = UPDATES * load(PROFILE, SETTINGS).profile.ppo.batch_steps
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        command = [DEXCTL, "optimize", "--profile", PROFILE, "--run", str(run), "--workers", "0", "--quiet"]
        command += ["--steps", str(steps), "--endpoint-file", f"{folder}/endpoint"]
        for setting in SETTINGS:
            command += ["--set", setting]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with confined(CORES[:workers]):
            optimizer = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        with optimizer:
            endpoint = _endpoint(Path(folder, "endpoint"), optimizer)
            crowd = [_worker(index, endpoint) for index in range(workers)]
            optimizer.wait()
            for worker in crowd:
                worker.wait()
        lines = (run / "events.jsonl").read_text(encoding="utf-8").splitlines()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    rows = [event for event in map(json.loads, lines) if event["event"] == "iteration"]
    name = f"{workers}_workers"
    rate = (rows[-1]["steps"] - rows[0]["steps"]) / (rows[-1]["elapsed_s"] - rows[0]["elapsed_s"])
    return {
        f"steps_per_s_{name}": rate,
        f"steps_per_s_a_worker_{name}": rate / workers,
        f"cpu_ms_per_step_{name}": 1e3 * (_cpu_s(after) - _cpu_s(before)) / rows[-1]["steps"],
        f"update_s_{name}": sum(row["update_s"] for row in rows[1:]) / (len(rows) - 1),
    }


def _worker(index: int, endpoint: str) -> subprocess.Popen[bytes]:
    command = [DEXCTL, "rollout-worker", "--connect", endpoint, "--threads", "1", "--quiet"]
    with confined([CORES[index % len(CORES)]]):
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _endpoint(path: Path, optimizer: subprocess.Popen[bytes]) -> str:
    while not path.exists():
        try:
            optimizer.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
        raise SystemExit("the optimizer ended early")
    return path.read_text(encoding="utf-8").strip()


def _cpu_s(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


def case(workers: int) -> Case:
    """One layout."""
    return lambda: train(workers)


class Averaging:
    """The same updates by one process and by two."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._recorded = folder, folder / "recorded"

    def __call__(self) -> dict[str, float]:
        """Learns with both."""
        if not self._recorded.exists():
            record(PROFILE, SETTINGS, self._recorded)
        (alone,), (one_state, *_) = self._learn(1)
        together, states = self._learn(2)
        return {
            "learning_s_1_process": alone["learning_s"],
            "learning_s_2_processes": max(process["learning_s"] for process in together),
            "averaging_s_2_processes": max(process["averaging_s"] for process in together),
            "waiting_s_2_processes": max(process["waiting_s"] for process in together),
            "update_difference": max(_difference(state, one_state) for state in states),
        }

    def _learn(self, count: int) -> tuple[list[dict[str, float]], list[dict[str, np.ndarray]]]:
        processes, outs = [], [self._folder / f"{rank}-of-{count}" for rank in range(count)]
        store = self._folder / "store"
        store.unlink(missing_ok=True)
        environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo"}
        for rank, out in enumerate(outs):
            options = {"rank": rank, "count": count, "store": str(store), "profile": PROFILE, "settings": SETTINGS}
            options |= {"recorded": str(self._recorded), "updates": UPDATES, "out": str(out)}
            with confined([CORES[rank % len(CORES)]]):
                processes.append(
                    subprocess.Popen(
                        [sys.executable, str(PROCESS), json.dumps(options)], stdout=subprocess.PIPE, env=environment
                    )
                )
        told = [json.loads(process.communicate()[0] or b"null") for process in processes]
        if None in told:
            raise SystemExit("an optimizer process ended early")
        return told, [load_file(out) for out in outs]


def _difference(state: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    return max(
        float((np.abs(value - other[name]) / np.maximum(1.0, np.abs(other[name]))).max())
        for name, value in state.items()
        if value.size
    )


if __name__ == "__main__":
    a_worker = "steps_per_s_a_worker_{}_workers"
    with tempfile.TemporaryDirectory() as shared:
        bench(
            "scaling",
            [*(case(count) for count in COUNTS), Averaging(Path(shared))],
            {
                **{f"efficiency_at_{n}": (a_worker.format(n), a_worker.format(1)) for n in COUNTS if n > 1},
                "averaging_over_learning": ("averaging_s_2_processes", "learning_s_2_processes"),
                "waiting_over_learning": ("waiting_s_2_processes", "learning_s_2_processes"),
                "learning_of_two_over_one": ("learning_s_2_processes", "learning_s_1_process"),
            },
            num_warm_ups=0,
        )

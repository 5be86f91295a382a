"""Environment steps trained on per second: 1, 2, 4 workers of a core each, and a second optimizer process.

CPU milliseconds a step, of everything that was started, stand beside the rates: on a busy machine they
say more. Where there are fewer cores than workers and optimizer processes together, these share them.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sysconfig
import tempfile
from pathlib import Path

from harness import Case, bench

from dexctl.console.machine import usable_cores
from dexctl.profile.load import load

PROFILE = "block"
DEXCTL = f"{sysconfig.get_path('scripts')}/dexctl"
UPDATES = 5
SETTINGS = ("task.start_bank=128", "task.start_random_steps=20", "rollout.environments=256")
COUNTS = tuple(count for count in (1, 2, 4, 8, 16) if count <= max(2, usable_cores()))


def train(workers: int, processes: int) -> dict[str, float]:
    """Trains a little, each worker and each optimizer process on a core; the first update is left out."""
    steps = UPDATES * load(PROFILE, SETTINGS).profile.ppo.batch_steps
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        command = [DEXCTL, "optimize", "--profile", PROFILE, "--run", str(run), "--workers", "0", "--quiet"]
        command += ["--processes", str(processes), "--steps", str(steps), "--endpoint-file", f"{folder}/endpoints"]
        for setting in SETTINGS:
            command += ["--set", setting]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment) as optimizer:
            endpoints = _endpoints(Path(folder, "endpoints"), optimizer)
            crowd = [
                subprocess.Popen(
                    [DEXCTL, "rollout-worker", "--connect", endpoints[index % processes], "--threads", "1", "--quiet"],
                    stderr=subprocess.DEVNULL,
                )
                for index in range(workers)
            ]
            optimizer.wait()
            for worker in crowd:
                worker.wait()
        lines = (run / "events.jsonl").read_text(encoding="utf-8").splitlines()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    rows = [event for event in map(json.loads, lines) if event["event"] == "iteration"]
    name = f"{workers}_workers_{processes}_processes"
    learned = rows[-1]["steps"] - rows[0]["steps"]
    return {
        f"steps_per_s_{name}": learned / (rows[-1]["elapsed_s"] - rows[0]["elapsed_s"]),
        f"cpu_ms_per_step_{name}": 1e3 * (_cpu_s(after) - _cpu_s(before)) / rows[-1]["steps"],
        f"update_s_{name}": sum(row["update_s"] for row in rows[1:]) / (len(rows) - 1),
    }


def _endpoints(path: Path, optimizer: subprocess.Popen[bytes]) -> list[str]:
    while not path.exists():
        try:
            optimizer.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
        raise SystemExit("the optimizer ended early")
    return path.read_text(encoding="utf-8").split()


def _cpu_s(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


def case(workers: int, processes: int) -> Case:
    """One layout."""
    return lambda: train(workers, processes)


if __name__ == "__main__":
    rate = "steps_per_s_{}_workers_1_processes"
    bench(
        "scaling",
        [*(case(count, 1) for count in COUNTS), case(2, 2)],
        {
            **{f"steps_with_{count}_over_1": (rate.format(count), rate.format(1)) for count in COUNTS if count > 1},
            "two_processes_over_one": ("steps_per_s_2_workers_2_processes", rate.format(2)),
        },
        num_warm_ups=0,
    )

"""Environment steps per second of a rollout worker, beside MuJoCo stepping the very same states.

One thread and 256 environments. The worker does all it does in training: physics, observations,
rewards, starts of episodes, the policy's network, its sampling, and sending to an optimizer in
another process. ``realtime_per_core`` is simulated time over wall time.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

import torch
from harness import bench
from recorder import Recorder

from dexctl.policy.weights import to_arrays
from dexctl.ppo.learner import Learner
from dexctl.profile.load import load
from dexctl.reorient.action import num_actuators
from dexctl.rollout.collector import Collector
from dexctl.rollout.segment import segment_layout
from dexctl.wire.arrivals import Segment
from dexctl.wire.optimizer import OptimizerEndpoint
from dexctl.wire.worker import WorkerEndpoint

ENVIRONMENTS, STEPS = 256, 20
SETTINGS = (
    f"rollout.environments={ENVIRONMENTS}",
    f"rollout.segment_steps={STEPS}",
    "ppo.chunk_steps=10",
    "ppo.batch_steps=25600",
    "physics.threads=1",
    "task.start_bank=128",
    "task.start_refresh=8",
    "task.start_random_steps=20",
)
# Networks by the profile they are taken from: all else is the same.
NETWORKS = {"paper": "block-paper", "small": "block-small-lstm"}


def sink(name: str) -> None:
    """An optimizer that takes every segment and does nothing with it."""
    loaded = load(name, SETTINGS)
    layout = segment_layout(loaded.profile, num_actuators(loaded.profile))
    with OptimizerEndpoint(
        "tcp://127.0.0.1:0", loaded.profile_json(), loaded.digest, layout, loaded.profile.wire, 0
    ) as endpoint:
        endpoint.publish(1, to_arrays(Learner(loaded.profile, num_actuators(loaded.profile), 0).actor))
        print(endpoint.endpoint, flush=True)
        while True:
            for arrival in endpoint.receive(1.0):
                if isinstance(arrival, Segment):
                    endpoint.acknowledge(arrival)


class Worker:
    """A collector connected to a sink."""

    def __init__(self, name: str) -> None:
        self.process = subprocess.Popen([sys.executable, __file__, "--sink", name], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        endpoint = self.process.stdout.readline().strip()
        self.wire = WorkerEndpoint([endpoint], "", load(name, SETTINGS).profile.wire)
        self.wire.join()
        self.wire.parameters(wait_for=1)
        self.collector = Collector(load(name, SETTINGS).profile, 0, 0)
        self.recorder = Recorder(self.collector)

    def work(self) -> float:
        """Collects and sends one segment, and returns the seconds it took."""
        started = time.perf_counter()
        self.wire.send(1, self.recorder.collect())
        return time.perf_counter() - started

    def close(self) -> None:
        """Ends the sink."""
        self.wire.close()
        self.process.kill()
        self.process.wait()


def case(name: str, worker: Worker) -> Callable[[], dict[str, float]]:
    """Working, and bare stepping of the very states that were met, with one network."""
    total = ENVIRONMENTS * STEPS
    period_s = worker.collector.environment.control_period_s

    def run() -> dict[str, float]:
        rate = total / worker.work()
        return {
            f"worker_{name}_steps_per_s": rate,
            f"bare_{name}_steps_per_s": total / worker.recorder.play(),
            f"{name}_realtime": rate * period_s,
            "one": 1.0,
        }

    return run


if __name__ == "__main__":
    if sys.argv[1:2] == ["--sink"]:
        sink(sys.argv[2])
    torch.set_num_threads(1)
    running = {name: Worker(profile) for name, profile in NETWORKS.items()}
    try:
        bench(
            "rollout",
            [case(name, worker) for name, worker in running.items()],
            {
                "worker_over_bare": ("worker_paper_steps_per_s", "bare_paper_steps_per_s"),
                "small_worker_over_bare": ("worker_small_steps_per_s", "bare_small_steps_per_s"),
                "realtime_per_core": ("small_realtime", "one"),
                "realtime_per_core_paper": ("paper_realtime", "one"),
            },
        )
    finally:
        for worker in running.values():
            worker.close()

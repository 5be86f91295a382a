"""Environment steps trained on per second by ``dexctl optimize``, a worker a core, beside bare MuJoCo on all cores.

``trained_over_bare`` is the whole of training over stepping the same scene and doing nothing else.
The shares say where the time went: of the optimizer's, and of its workers'.
"""

from __future__ import annotations

import json
import subprocess
import sysconfig
import tempfile
from pathlib import Path

import numpy as np
from harness import bench
from recorder import Recorder

from dexctl.console.machine import usable_cores
from dexctl.profile.load import load
from dexctl.rollout.collector import Collector

PROFILE = "block"
DEXCTL = f"{sysconfig.get_path('scripts')}/dexctl"
UPDATES = 6
SETTINGS = ("task.start_bank=128", "task.start_random_steps=20")
SHARES = ("waiting", "staging", "learning", "worker_physics", "worker_inference", "worker_sending")


class Bare:
    """All cores stepping what a collector with an untrained policy met: as many hands as training has."""

    def __init__(self) -> None:
        loaded = load(PROFILE, SETTINGS)
        hands = loaded.profile.rollout.environments * usable_cores()
        collector = Collector(load(PROFILE, (*SETTINGS, f"rollout.environments={hands}")).profile, 0, 0)
        self._recorder = Recorder(collector)
        self._steps = hands * loaded.profile.rollout.segment_steps
        self._recorder.collect()

    def __call__(self) -> dict[str, float]:
        """Steps for a while."""
        return {"bare_steps_per_s": self._steps / self._recorder.play()}


def train(name: str = PROFILE) -> dict[str, float]:
    """Trains a profile a little and reads its events, the first update left out."""
    profile = load(name, SETTINGS).profile
    with tempfile.TemporaryDirectory() as folder:
        command = [DEXCTL, "optimize", "--profile", name, "--run", f"{folder}/run", "--workers", str(usable_cores())]
        command += ["--quiet", "--steps", str(UPDATES * profile.ppo.batch_steps)]
        for setting in SETTINGS:
            command += ["--set", setting]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        lines = Path(folder, "run", "events.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [event for event in map(json.loads, lines) if event["event"] == "iteration"]
    elapsed_s = rows[-1]["elapsed_s"] - rows[0]["elapsed_s"]
    shares = {f"share_{name}": float(np.mean([row["share"][name] for row in rows[1:]])) for name in SHARES}
    return {"trained_steps_per_s": (rows[-1]["steps"] - rows[0]["steps"]) / elapsed_s, **shares}


if __name__ == "__main__":
    bench("train", [Bare(), train], {"trained_over_bare": ("trained_steps_per_s", "bare_steps_per_s")}, num_warm_ups=0)

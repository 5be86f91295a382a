"""Physics alone on mujoco-warp beside MuJoCo's own batch on every core: steps of the paper's scene a second.

Random targets at every control step, all randomizations written and new physics for a hundredth of the simulations,
as when an episode lasts a hundred steps. On a GPU a batch of thousands; without one Warp's CPU device with a few,
which shows that it runs and nothing of a GPU's speed.
"""

from __future__ import annotations

import math
import time

import torch
from harness import bench

from dexctl import randomness
from dexctl.physics import Physics
from dexctl.physics.making import make_physics
from dexctl.profile.load import load
from dexctl.randomize.dynamics import Dynamics
from dexctl.scene.build import build_scene

PROFILE, STEPS, CPU_SIMULATIONS = "block-paper", 20, 512
# On a GPU, and without one.
ON_GPU, WITHOUT = (1024, 4096, 16384), (8,)
RESET_SHARE = 0.01


class Steps:
    """Simulations of one backend."""

    def __init__(self, backend: str, count: int) -> None:
        torch.set_default_device("cpu")
        profile = load(PROFILE, (f"physics.backend='{backend}'",)).profile
        scene = build_scene(profile)
        self.physics: Physics = make_physics(scene, count, profile.physics)
        self._name = f"{backend}_{count}"
        self._dynamics = Dynamics(profile.randomize.physics, scene, self.physics)
        self._ranges = torch.as_tensor(scene.model.actuator_ctrlrange)
        self._begun = 0
        self._begin(torch.arange(count))
        self._play(3)

    def _begin(self, ids: torch.Tensor) -> None:
        key = randomness.derive(randomness.key(0).expand(len(ids)), ids, self._begun)
        self._begun += 1
        self._dynamics.begin(ids, key)

    def _play(self, steps: int) -> None:
        everyone = torch.arange(self.physics.num_simulations)
        some = everyone[: math.ceil(RESET_SHARE * len(everyone))]
        for step in range(steps):
            drawn = randomness.uniform(randomness.derive(randomness.key(step).expand(len(everyone)), everyone), 20)
            self.physics.ctrl[:] = self._ranges[:, 0] + drawn * (self._ranges[:, 1] - self._ranges[:, 0])
            self._begin(some)
            # What failed is read on the host, so that a GPU has finished.
            self.physics.step()

    def __call__(self) -> dict[str, float]:
        """So many control steps of all."""
        torch.set_default_device(self.physics.device)
        started_s = time.perf_counter()
        self._play(STEPS)
        return {f"{self._name}_steps_per_s": STEPS * self.physics.num_simulations / (time.perf_counter() - started_s)}


if __name__ == "__main__":
    counts = ON_GPU if torch.cuda.is_available() else WITHOUT
    bare = f"cpu_{CPU_SIMULATIONS}_steps_per_s"
    bench(
        "physics",
        [Steps("cpu", CPU_SIMULATIONS), *(Steps("warp", count) for count in counts)],
        {f"warp_{count}_over_cpu": (f"warp_{count}_steps_per_s", bare) for count in counts},
    )

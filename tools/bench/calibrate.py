"""Window-seconds simulated per second by the fit, beside MuJoCo stepping the very same states with the same numbers.

One thread. All probes of a finger's Jacobian, as least squares asks for them; both do every physics step
of every window, and the bare case nothing else.
"""

from __future__ import annotations

import time

import msgspec
import numpy as np
import torch
from drawn_hand import draw_hand, record
from harness import bench

from dexctl.calibrate.fingers import fingers
from dexctl.calibrate.parameters import ACTUATOR_KINDS, JOINT_KINDS, HandNumbers, Layout, numbers_of
from dexctl.calibrate.replay import Replay
from dexctl.calibrate.windows import cut
from dexctl.profile.load import load

FINGER, SIMULATIONS = "rf", 512


class Probes:
    """A finger's probes, and what bare stepping needs to do the same."""

    def __init__(self) -> None:
        self.profile = load("block-paper", ["physics.threads=1"], {}).profile
        assert self.profile.calibrate is not None
        parts = fingers((FINGER,))
        drawn = msgspec.structs.replace(self.profile, hand=draw_hand(self.profile.hand, 0))
        self.motion = record(drawn, tuple(parts))
        usable = np.ones(self.motion.angles_rad.shape, bool)
        windows = cut(self.motion, usable, self.profile.calibrate, 0.08, parts)
        self.starts, self.steps = windows.starts[windows.of(parts[0], False)], windows.steps
        start = numbers_of(self.profile.hand)
        layout = Layout(start, self.profile.calibrate, (*JOINT_KINDS, *ACTUATOR_KINDS), parts)
        count = SIMULATIONS // len(self.starts)
        self.hands: HandNumbers = layout.hands(1e-3 * np.eye(len(layout))[:count])
        self.replay = Replay(self.profile, count * len(self.starts), FINGER)
        self.window_s = count * len(self.starts) * self.steps * 0.08
        self.states: list[np.ndarray] = []
        self._remember()

    def _remember(self) -> None:
        """Plays once and keeps the state of every simulation before each control step."""
        batch = self.replay.physics.batch
        step = batch.step

        def remembered(ids: object, nstep: int, stage: int) -> None:
            self.states.append(batch.state.copy())
            step(ids, nstep, stage)

        batch.step = remembered
        self.fit()
        batch.step = step

    def fit(self) -> dict[str, float]:
        """Everything that a fit does for these probes."""
        started = time.perf_counter()
        self.replay.windows(self.motion, self.hands, self.starts, self.steps)
        return {"windows_s_per_s": self.window_s / (time.perf_counter() - started)}

    def bare(self) -> dict[str, float]:
        """The same physics steps from the same states, and nothing else."""
        batch, substeps = self.replay.physics.batch, self.profile.physics.substeps
        started = time.perf_counter()
        for state in self.states:
            batch.state[:] = state
            batch.step(None, substeps)
        return {"bare_s_per_s": self.window_s / (time.perf_counter() - started)}


if __name__ == "__main__":
    torch.set_num_threads(1)
    probes = Probes()
    bench("calibrate", [probes.fit, probes.bare], {"windows_over_bare": ("windows_s_per_s", "bare_s_per_s")})

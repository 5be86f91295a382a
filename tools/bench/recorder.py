"""Physics steps of a collector, remembered while it works, so that bare MuJoCo can do the very same again."""

from __future__ import annotations

import time

import numpy as np

from dexctl.rollout.collector import Collector
from dexctl.rollout.segment import Arrays


class Recorder:
    """Collects segments, and steps again the states of the last one and nothing else."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._batch = collector.physics.batch
        self._states: list[np.ndarray] = []

    def collect(self) -> Arrays:
        """One segment of the collector, whose states are remembered in place of those before."""
        step = self._batch.step
        self._states = []

        def recorded(ids: object, nstep: int, stage: int) -> None:
            self._states.append(self._batch.state.copy())
            step(ids, nstep, stage)

        self._batch.step = recorded
        try:
            return self._collector.collect()
        finally:
            self._batch.step = step

    def play(self) -> float:
        """Steps all of it again, leaves the simulations as they were, and returns the seconds that stepping took."""
        batch, substeps = self._batch, self._collector.environment.profile.physics.substeps
        kept = batch.state.copy()
        started = time.perf_counter()
        for state in self._states:
            batch.state[:] = state
            batch.step(None, substeps)
        elapsed_s = time.perf_counter() - started
        batch.state[:] = kept
        batch.forward()
        return elapsed_s

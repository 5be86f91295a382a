"""What arrived between two updates, of one optimizer process or of all, and the figures it comes to."""

from __future__ import annotations

import dataclasses
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from torch import Tensor

from dexctl.ppo.learner import Update
from dexctl.reorient.environment import End
from dexctl.wire.messages import WorkerView

# Goals in a row are averaged over so many of the newest episodes.
_EPISODES_SHOWN = 400
SECONDS_PER_YEAR = 365.25 * 24 * 3600


class Window(msgspec.Struct):
    """What one process took in for one update; it travels as JSON.

    Attributes:
        stale: transitions by how many updates they were behind when they were learned from.
        dropped_steps: transitions that were too old.
        waited_s, taken_s: spent waiting for experience, and staging it.
        reward: mean of each segment.
        reports: what the workers told, added up by name.
        goals, ends: of the episodes that ended.
        workers: who lives.
    """

    stale: dict[int, int] = {}
    dropped_steps: int = 0
    waited_s: float = 0.0
    taken_s: float = 0.0
    reward: list[float] = []
    reports: dict[str, float] = {}
    goals: list[int] = []
    ends: list[int] = []
    workers: list[WorkerView] = []

    def take(self, report: Mapping[str, float], arrays: Mapping[str, np.ndarray | Tensor]) -> None:
        """A segment that is taken in."""
        reward, end, goals = (_on_host(arrays[name]) for name in ("reward", "end", "goals"))
        self.reward.append(float(reward.mean()))
        for name, value in report.items():
            self.reports[name] = self.reports.get(name, 0.0) + value
        self.goals += goals[end > 0].tolist()
        self.ends += end[end > 0].tolist()


class Figures:
    """Makes the figures of an ``iteration`` event, dexctl-events(5)."""

    def __init__(self, control_period_s: float) -> None:
        self._control_period_s = control_period_s
        self._goals: deque[int] = deque(maxlen=_EPISODES_SHOWN)
        self._ends: deque[int] = deque(maxlen=_EPISODES_SHOWN)

    def of(
        self, windows: Sequence[Window], update: Update, version: int, steps: int, elapsed_s: float
    ) -> Mapping[str, Any]:
        """Of one update.

        Args:
            windows: of all processes, by rank.
            version, steps: after the update, since the run began.
            elapsed_s: since the update before.
        """
        totals: dict[str, float] = {}
        for window in windows:
            self._goals.extend(window.goals)
            self._ends.extend(window.ends)
            for name, value in window.reports.items():
                totals[name] = totals.get(name, 0.0) + value
        stale = Counter[int]()
        for window in windows:
            stale.update(window.stale)
        drops = sum(end == End.DROP for end in self._ends)
        total_s = totals.get("total_s", 0.0) or 1.0
        simulated_s = steps * self._control_period_s
        return {
            "version": version,
            "steps": steps,
            "simulated_years": simulated_s / SECONDS_PER_YEAR,
            "steps_per_s": update.steps / elapsed_s,
            "goals": float(np.mean(self._goals)) if self._goals else None,
            "drop_share": drops / len(self._ends) if self._ends else None,
            "reward": float(np.mean([reward for window in windows for reward in window.reward])),
            "staleness": sum(behind * count for behind, count in stale.items()) / stale.total(),
            "staleness_max": max(stale),
            "staleness_counts": [stale[behind] for behind in range(max(stale) + 1)],
            "steps_dropped": sum(window.dropped_steps for window in windows),
            "workers": sum(len(window.workers) for window in windows),
            "share": {
                "waiting": sum(window.waited_s for window in windows) / len(windows) / elapsed_s,
                "staging": sum(window.taken_s for window in windows) / len(windows) / elapsed_s,
                "learning": update.seconds / elapsed_s,
                "worker_physics": totals.get("physics_s", 0.0) / total_s,
                "worker_inference": totals.get("inference_s", 0.0) / total_s,
                "worker_sending": totals.get("sending_s", 0.0) / total_s,
            },
            "simulation_failures": int(totals.get("failures", 0.0)),
            **{name: value for name, value in dataclasses.asdict(update).items() if name not in ("steps", "seconds")},
            "update_s": update.seconds,
        }


def _on_host(numbers: np.ndarray | Tensor) -> np.ndarray:
    return numbers.cpu().numpy() if isinstance(numbers, Tensor) else numbers

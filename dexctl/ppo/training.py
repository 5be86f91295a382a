"""The optimizer's loop: experience in, updates, parameters out (Figure 5, one process)."""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from dexctl.policy.weights import to_arrays
from dexctl.ppo.learner import Learner, Update
from dexctl.reorient.environment import End
from dexctl.wire.arrivals import Joined, Lost, Refused, Segment
from dexctl.wire.optimizer import OptimizerEndpoint

# Goals in a row are averaged over so many of the newest episodes.
_EPISODES_SHOWN = 400
_SECONDS_PER_YEAR = 365.25 * 24 * 3600
# How long without any worker before people are told, and told again.
_LONELY_S = 60.0


class Emit(Protocol):
    """Takes an event: its kind, and its fields."""

    def __call__(self, event: str, /, **fields: Any) -> None:
        """Writes one event."""
        ...


@dataclasses.dataclass
class _Window:
    """What arrived since the last update."""

    started: float
    stale: list[int] = dataclasses.field(default_factory=list)
    dropped: int = 0
    waited_s: float = 0.0
    taken_s: float = 0.0
    reward: list[float] = dataclasses.field(default_factory=list)
    reports: list[dict[str, float]] = dataclasses.field(default_factory=list)


class Training:
    """Takes segments from an endpoint, updates a learner, publishes what it learned."""

    def __init__(
        self,
        learner: Learner,
        endpoint: OptimizerEndpoint,
        emit: Emit,
        sync_workers: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Publishes the learner's policy at once.

        Args:
            emit: takes the events of training (dexctl-events(5)).
            sync_workers: wait for this many workers' segments of the same version, in order, so that
                a run repeats exactly; 0 takes what comes, as the paper does.
        """
        self.learner, self.endpoint = learner, endpoint
        self.num_workers = 0
        self._emit, self._clock = emit, clock
        self._sync_workers = sync_workers
        self._held: dict[int, deque[Segment]] = {}
        self._goals: deque[int] = deque(maxlen=_EPISODES_SHOWN)
        self._ends: deque[int] = deque(maxlen=_EPISODES_SHOWN)
        self._control_period_s = learner.profile.physics.timestep_s * learner.profile.physics.substeps
        self._window = _Window(clock())
        self._lonely_since = clock()
        self._publish()

    @property
    def segments_per_version(self) -> int:
        """Segments that each of the synchronous workers sends of one version."""
        rollout, ppo = self.learner.profile.rollout, self.learner.profile.ppo
        steps = rollout.environments * rollout.segment_steps * max(1, self._sync_workers)
        return -(-ppo.batch_steps // steps)

    def turn(self, timeout_s: float, wakeup_fd: int | None = None, stop: Callable[[], bool] = lambda: False) -> bool:
        """Waits for experience, takes it, and updates when there is enough.

        Args:
            wakeup_fd: a descriptor that ends the wait.
            stop: asked between minibatches; when true, the update ends early.

        Returns:
            Whether an update was made.
        """
        before = self._clock()
        arrivals = self.endpoint.receive(timeout_s, wakeup_fd)
        now = self._clock()
        self._window.waited_s += now - before
        for arrival in arrivals:
            match arrival:
                case Segment():
                    self._receive(arrival)
                case Joined():
                    self.num_workers += 1
                    self.learner.forget(arrival.worker)
                    self._emit(
                        "worker_joined", worker=arrival.worker, name=arrival.name, host=arrival.host, pid=arrival.pid
                    )
                case Lost():
                    self.num_workers -= 1
                    # A segment that is never acknowledged keeps its credit for ever.
                    for segment in self._held.pop(arrival.worker, ()):
                        self.endpoint.acknowledge(segment)
                    self._emit("worker_lost", worker=arrival.worker, name=arrival.name, reason=arrival.reason)
                case Refused():
                    self._emit("warning", message=f"refused {arrival.peer}: {arrival.reason}", count=arrival.count)
                case _:
                    pass
        self._window.taken_s += self._clock() - now
        self._complain_of_loneliness(now)
        if not self._ready():
            return False
        before = self.learner.steps
        self._update(stop)
        return self.learner.steps > before

    def _receive(self, segment: Segment) -> None:
        if self._sync_workers:
            if segment.header.version == self.learner.version:
                self._held.setdefault(segment.worker, deque()).append(segment)
                return
            self.endpoint.acknowledge(segment)
            self._window.dropped += 1
            return
        self._take(segment)

    def _take(self, segment: Segment) -> None:
        stale = self.learner.version - segment.header.version
        if stale > self.learner.profile.ppo.max_staleness:
            self._window.dropped += 1
            self.learner.forget(segment.worker)
        else:
            self._window.stale.append(stale)
            self._window.reports.append(dict(segment.header.report))
            self._window.reward.append(float(segment.arrays["reward"].mean()))
            end = segment.arrays["end"]
            self._goals.extend(segment.arrays["goals"][end > 0].tolist())
            self._ends.extend(end[end > 0].tolist())
            self.learner.add(segment.arrays, segment.worker)
        self.endpoint.acknowledge(segment)

    def _ready(self) -> bool:
        if not self._sync_workers:
            return self.learner.ready
        wanted = self.segments_per_version
        if len(self._held) < self._sync_workers or any(len(held) < wanted for held in self._held.values()):
            return False
        for worker in sorted(self._held)[: self._sync_workers]:
            for _ in range(wanted):
                self._take(self._held[worker].popleft())
        return True

    def _update(self, stop: Callable[[], bool]) -> None:
        if not self.learner.gathered_steps:
            # No episode has ended yet: synchronous workers go on with the same policy.
            self.learner.version += 1
            self._publish()
            return
        window = self._window
        update = self.learner.update(stop)
        self._publish()
        now = self._clock()
        self._emit("iteration", **self._figures(window, update, now - window.started))
        self._window = _Window(now)

    def _publish(self) -> None:
        self.endpoint.publish(self.learner.version, to_arrays(self.learner.actor))

    def _figures(self, window: _Window, update: Update, elapsed_s: float) -> dict[str, Any]:
        drops = sum(end == End.DROP for end in self._ends)
        totals: dict[str, float] = {}
        for report in window.reports:
            for name, value in report.items():
                totals[name] = totals.get(name, 0.0) + value
        total_s = totals.get("total_s", 0.0) or 1.0
        return {
            "version": self.learner.version,
            "steps": self.learner.steps,
            "simulated_years": self.learner.steps * self._control_period_s / _SECONDS_PER_YEAR,
            "steps_per_s": update.steps / elapsed_s,
            "goals": float(np.mean(self._goals)) if self._goals else None,
            "drop_share": drops / len(self._ends) if self._ends else None,
            "reward": float(np.mean(window.reward)),
            "staleness": float(np.mean(window.stale)),
            "staleness_max": max(window.stale),
            "segments_dropped": window.dropped,
            "workers": self.num_workers,
            "share": {
                "waiting": window.waited_s / elapsed_s,
                "staging": window.taken_s / elapsed_s,
                "learning": update.seconds / elapsed_s,
                "worker_physics": totals.get("physics_s", 0.0) / total_s,
                "worker_inference": totals.get("inference_s", 0.0) / total_s,
                "worker_sending": totals.get("sending_s", 0.0) / total_s,
            },
            "simulation_failures": int(totals.get("failures", 0.0)),
            **{name: value for name, value in dataclasses.asdict(update).items() if name not in ("steps", "seconds")},
            "update_s": update.seconds,
        }

    def _complain_of_loneliness(self, now: float) -> None:
        if self.num_workers:
            self._lonely_since = now
        elif now - self._lonely_since > _LONELY_S:
            self._lonely_since = now
            self._emit("warning", message=f"no workers at {self.endpoint.endpoint} for a minute")

"""The optimizer's loop: experience in, updates, parameters out (Figure 5).

Segments are staged while an update runs in a thread of its own: one batch is learned from, the
next one filled. Synchronous training does one after the other, and so repeats exactly.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import torch

from dexctl.policy.weights import to_arrays
from dexctl.ppo.experience import Experience
from dexctl.ppo.learner import Learner, Update
from dexctl.ppo.peers import Alone, Peers
from dexctl.ppo.window import Figures, Window
from dexctl.wire.arrivals import Arrival, Joined, Lost, Refused, Segment
from dexctl.wire.messages import WorkerView

# How long without any worker before people are told, and told again.
_LONELY_S = 60.0
# A synchronous worker that takes so many times as long as the segment before is told of.
_PATIENCE = 3.0
# How often several processes agree on what comes next, at least.
_AGREE_S = 0.05


class Emit(Protocol):
    """Takes an event: its kind, and its fields."""

    def __call__(self, event: str, /, **fields: Any) -> None:
        """Writes one event."""
        ...


class _Running(threading.Thread):
    """An update that runs; ``done`` is called when it is over."""

    def __init__(self, window: Window, learn: Callable[[], Update], done: Callable[[], None]) -> None:
        super().__init__(name="dexctl-learn", daemon=True)
        self.window = window
        self._learn, self._done = learn, done
        self._update: Update | None = None
        self._error: BaseException | None = None
        self.over = threading.Event()

    def run(self) -> None:
        """Learns."""
        try:
            self._update = self._learn()
        except BaseException as error:
            self._error = error
        finally:
            self.over.set()
            self._done()

    def result(self) -> Update:
        """Waits for the update; raises what ended it."""
        self.over.wait()
        if self._error:
            raise self._error
        assert self._update is not None
        return self._update


class Training:
    """Takes segments from an endpoint, updates a learner, publishes what it learned.

    With peers every process has a training of its own, and ``ended``, ``turn`` and
    ``finish`` are called by all of them in the same order. Events reach the first one's ``emit``.

    Attributes:
        began_s: when, by ``clock``, the first experience came; None before.
        updates: how many updates are over.
    """

    def __init__(
        self,
        learner: Learner,
        endpoint: Experience,
        emit: Emit,
        sync_workers: int | None = None,
        peers: Peers | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Publishes the learner's policy at once.

        Args:
            emit: takes the events of training (dexctl-events(5)).
            sync_workers: wait for this many workers' segments of the same version, in order, so that
                a run repeats exactly; None takes what comes, as the paper does.
            peers: the learner's, over connections of their own.
        """
        self.learner, self.endpoint = learner, endpoint
        self.num_workers = 0
        self.began_s: float | None = None
        self.updates = 0
        self._emit, self._clock = emit, clock
        self._sync_workers = sync_workers
        self._peers: Peers = peers or Alone()
        self._all_sync_workers = sum(self._peers.counts(sync_workers or 0))
        self._held: dict[str, deque[Segment]] = {}
        self._crew: dict[str, str] = {}
        physics = learner.profile.physics
        self._figures = Figures(physics.timestep_s * physics.substeps)
        self._window = Window()
        self._running: _Running | None = None
        self._stopping = False
        self._told: list[tuple[str, dict[str, Any]]] = []
        self._elsewhere: list[WorkerView] = []
        self._updated_s = self._lonely_since = self._waiting_since = clock()
        self._segment_s = 0.0
        self._publish()

    @property
    def segments_per_version(self) -> int:
        """Segments that each of the synchronous workers sends of one version."""
        rollout, ppo = self.learner.profile.rollout, self.learner.profile.ppo
        steps = rollout.environments * rollout.segment_steps * max(1, self._all_sync_workers)
        return -(-ppo.batch_steps // steps)

    def workers(self) -> list[WorkerView]:
        """Living workers: of this process now, of others at the last update."""
        return self.endpoint.workers() + self._elsewhere

    def ended(self, wanted: bool) -> bool:
        """Whether any process wants to end."""
        return bool(self._peers.total(torch.tensor([int(wanted)]))[0])

    def turn(self, timeout_s: float, wakeup_fd: int | None = None, stop: Callable[[], bool] = lambda: False) -> bool:
        """Waits for experience, takes it, and updates when there is enough.

        Args:
            wakeup_fd: a descriptor that ends the wait.
            stop: asked between minibatches; when true, the update ends early.

        Returns:
            Whether an update is over: until the next turn nothing changes the learner.
        """
        self._listen(timeout_s if self._peers.count == 1 else min(timeout_s, _AGREE_S), wakeup_fd)
        mine = {
            "gathered": self.learner.gathered_steps,
            "ready": self._has_all_held(),
            "learning": self._running is not None and not self._running.over.is_set(),
            "waiting": self.learner.waits_for_scale,
            "told": len(self._told),
            "workers": self.num_workers,
        }
        totals = self._peers.total(torch.tensor([int(value) for value in mine.values()])).tolist()
        all_have = dict(zip(mine, totals, strict=True))
        if all_have["told"]:
            self._pass_on()
        if self._sync_workers is None:
            self._complain_of_loneliness(all_have["workers"])
        # Environments of this process are not waited for, however long they take.
        elif self.endpoint.endpoint:
            self._complain_of_waiting(self._sync_workers)
        if all_have["waiting"]:
            self.learner.learn_scale()
        if self._running:
            return not all_have["learning"] and self._conclude(self._running)
        if self._sync_workers is None:
            if all_have["gathered"] >= self.learner.profile.ppo.batch_steps:
                self._running = self._begin(stop)
                self._running.start()
            return False
        return all_have["ready"] == self._peers.count and self._update_synchronously(stop)

    def finish(self) -> None:
        """Ends a running update at its next minibatch, and tells of it."""
        self._stopping = True
        if self._running:
            self._conclude(self._running)

    def close(self) -> None:
        """Ends a running update; nothing changes the learner any more."""
        self._stopping = True
        if self._running:
            self._running.over.wait()

    def _listen(self, timeout_s: float, wakeup_fd: int | None) -> None:
        before = self._clock()
        share = self.learner.profile.ppo.batch_steps // self._peers.count
        if self._running and self.learner.gathered_steps >= share:
            # The next batch is full: workers wait for their credits.
            self._running.over.wait(timeout_s)
            self._window.waited_s += self._clock() - before
            return
        arrivals = self.endpoint.receive(timeout_s, wakeup_fd)
        now = self._clock()
        self._window.waited_s += now - before
        for arrival in arrivals:
            self._take_in(arrival)
        self._window.taken_s += self._clock() - now

    def _take_in(self, arrival: Arrival) -> None:
        match arrival:
            case Segment():
                self.began_s = self._clock() if self.began_s is None else self.began_s
                self._receive(arrival)
            case Joined():
                self.num_workers += 1
                if self._sync_workers is not None:
                    self._crew[arrival.name] = f"{arrival.name} (process {arrival.pid} on {arrival.host})"
                self.learner.forget(arrival.worker)
                self._tell("worker_joined", **dataclasses.asdict(arrival))
            case Lost():
                self.num_workers -= 1
                # What it sent is kept: one that comes back does not send it again, and waits for what follows.
                if arrival.name in self._crew:
                    self._crew[arrival.name] += f", which is gone: {arrival.reason}"
                self._tell("worker_lost", **dataclasses.asdict(arrival))
            case Refused():
                self._tell("warning", message=f"refused {arrival.peer}: {arrival.reason}", count=arrival.count)
            case _:
                pass

    def _receive(self, segment: Segment) -> None:
        if self._sync_workers is None:
            self._take(segment)
            self.endpoint.acknowledge(segment)
        else:
            # Its worker sends no more than a version takes, which may be more than its credits.
            self.endpoint.acknowledge(segment)
            self._hold(segment)

    def _hold(self, segment: Segment) -> None:
        self._waiting_since, self._segment_s = self._clock(), segment.header.report.get("total_s", 0.0)
        held = self._held.setdefault(segment.header.worker, deque())
        while held and held[0].incarnation != segment.incarnation:
            # Of one that died: another in its place begins this version anew.
            self._drop(held.popleft())
        if segment.header.version == self.learner.version and len(held) < self.segments_per_version:
            held.append(segment)
        else:
            self._drop(segment)

    def _take(self, segment: Segment) -> None:
        version = segment.header.version
        if self.learner.version - version > self.learner.profile.ppo.max_staleness:
            self._drop(segment)
        else:
            self._window.take(segment.header.report, segment.arrays)
            self.learner.add(segment.arrays, segment.worker, version)

    def _drop(self, segment: Segment) -> None:
        self._window.dropped_steps += segment.header.environments * segment.header.steps
        self.learner.forget(segment.worker)

    def _has_all_held(self) -> bool:
        if self._sync_workers is None:
            return False
        return len(self._held) >= self._sync_workers and not any(map(self._owes, self._held))

    def _owes(self, worker: str) -> bool:
        return len(self._held.get(worker, ())) < self.segments_per_version

    def _update_synchronously(self, stop: Callable[[], bool]) -> bool:
        for held in sorted(self._held.values(), key=lambda held: held[0].worker)[: self._sync_workers]:
            for _ in range(self.segments_per_version):
                self._take(held.popleft())
        for held in self._held.values():
            while held:
                self._drop(held.popleft())
        self._held.clear()
        if not self.learner.knows_scale:
            self.learner.learn_scale()
        if not sum(self._peers.counts(self.learner.gathered_steps)):
            # No episode has ended yet: synchronous workers go on with the same policy.
            self.learner.version += 1
            self._publish()
            return False
        running = self._begin(stop)
        running.run()
        return self._conclude(running)

    def _begin(self, stop: Callable[[], bool]) -> _Running:
        gathered, window = self.learner.take(), self._window
        window.stale = dict(gathered.staleness)
        window.dropped_steps += gathered.dropped_steps
        self._window = Window()
        return _Running(
            window, lambda: self.learner.learn(gathered, lambda: self._stopping or stop()), self.endpoint.wake
        )

    def _conclude(self, running: _Running) -> bool:
        self._running = None
        update = running.result()
        self.updates += 1
        self.learner.settle()
        self._publish()
        now = self._clock()
        running.window.workers = self.endpoint.workers()
        windows = [
            msgspec.json.decode(content, type=Window)
            for content in self._peers.collected(msgspec.json.encode(running.window))
        ]
        self._elsewhere = [worker for window in windows[1:] for worker in window.workers]
        if self._peers.rank == 0:
            learner, elapsed_s = self.learner, now - self._updated_s
            self._emit("iteration", **self._figures.of(windows, update, learner.version, learner.steps, elapsed_s))
        self._updated_s = now
        return True

    def _publish(self) -> None:
        self._waiting_since = self._clock()
        self.endpoint.publish(self.learner.version, to_arrays(self.learner.actor))

    def _tell(self, event: str, **fields: Any) -> None:
        if self._peers.rank == 0:
            self._emit(event, **fields)
        else:
            self._told.append((event, {"process": self._peers.rank, **fields}))

    def _pass_on(self) -> None:
        told, self._told = self._told, []
        for content in self._peers.collected(msgspec.json.encode(told)):
            if self._peers.rank == 0:
                for event, fields in msgspec.json.decode(content, type=list[tuple[str, dict[str, Any]]]):
                    self._emit(event, **fields)

    def _complain_of_loneliness(self, num_workers: int) -> None:
        now = self._clock()
        if num_workers:
            self._lonely_since = now
        elif now - self._lonely_since > _LONELY_S and self._peers.rank == 0:
            self._lonely_since = now
            self._emit("warning", message=f"no workers at {self.endpoint.endpoint} for a minute")

    def _complain_of_waiting(self, sync_workers: int) -> None:
        now = self._clock()
        if self._has_all_held():
            # Others are waited for, by other processes.
            self._waiting_since = now
        waited_s = now - self._waiting_since
        if waited_s <= max(_LONELY_S, _PATIENCE * self._segment_s):
            return
        self._waiting_since = now
        missing = [who for name, who in self._crew.items() if self._owes(name)]
        absent = sync_workers - len(self._crew)
        missing += [f"{absent} that never came"] if absent > 0 else []
        self._tell(
            "warning",
            message=f"no experience for {waited_s:.0f} s: a synchronous update waits for {', '.join(missing)}."
            " Let it go on, or kill -9 its process: another takes its place",
        )

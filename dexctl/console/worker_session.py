"""One rollout worker from start to end: connection, events, signals."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dexctl.console.events import Events
from dexctl.console.output import Output
from dexctl.console.progress import Progress
from dexctl.console.signals import Signals
from dexctl.profile.load import Loaded, load
from dexctl.wire.keys import WorkerKeys
from dexctl.wire.worker import Dismissed, WorkerEndpoint

if TYPE_CHECKING:
    from dexctl.rollout.collector import Clocks

# Heartbeats until the optimizer's own profile is known.
_UNTIL_WELCOME = "block"


@dataclasses.dataclass(frozen=True)
class WorkerPlan:
    """What a worker was asked for; see the options of ``dexctl rollout-worker``."""

    connect: tuple[str, ...]
    loaded: Loaded | None
    threads: int
    name: str | None
    timeout_s: float
    segments_per_version: int
    keys: WorkerKeys | None
    dumps: Path
    backend: Literal["cpu", "warp"] | None


def run_worker(plan: WorkerPlan, output: Output) -> None:
    """Works until the optimizer says that the training is over, or a signal.

    Raises:
        UnavailableError, TemporaryError, ProtocolError, RefusedError: no optimizer, none any more,
            one that does not fit, one that refuses.
        Stopped: a signal.
    """
    wire = (plan.loaded or load(_UNTIL_WELCOME)).profile.wire
    digest = plan.loaded.digest if plan.loaded else ""
    told: dict[str, Any] = {"worker": None, "version": 0, "segments": 0}
    with (
        Signals() as signals,
        Events("rollout-worker", output.event_stream(), profile_digest=digest) as events,
        Progress("rollout-worker", quiet=output.quiet) as progress,
        contextlib.ExitStack() as leaving,
    ):

        def on_wakeup() -> None:
            signals.drain()
            signals.raise_if_stopped()
            if signals.take_status_request():
                events.emit("status", **told, connected=endpoint.connected)

        endpoint = WorkerEndpoint(
            plan.connect,
            digest,
            wire,
            plan.keys,
            plan.timeout_s,
            plan.name,
            wakeup_fd=signals.fileno(),
            on_wakeup=on_wakeup,
        )
        leaving.enter_context(endpoint)
        try:
            welcome = endpoint.join()
            told["worker"] = welcome.worker_index
            events.emit("ready", worker=welcome.worker_index, profile=welcome.digest)

            def on_segment(version: int, clocks: Clocks) -> None:
                steps = welcome.layout.steps * welcome.layout.environments
                told.update(version=version, segments=told["segments"] + 1)
                progress.update({"policy": version, "steps/s": steps / clocks.total})
                on_wakeup()

            # What steps and acts takes seconds to import, and only those who are let in need it.
            from dexctl.rollout.worker import work

            work(endpoint, welcome, plan.threads, plan.segments_per_version, on_segment, plan.dumps, plan.backend)
        except Dismissed:
            return

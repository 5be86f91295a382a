"""One ``dexctl simulate --serve``: a simulated robot from its first listening to its last answer."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from dexctl.console import messages
from dexctl.console.events import Events
from dexctl.console.notify import notify_ready, write_endpoint_file
from dexctl.console.output import Output
from dexctl.console.signals import Signals
from dexctl.errors import ProfileError
from dexctl.profile.load import Loaded
from dexctl.profile.schema import Robot
from dexctl.robot import realtime
from dexctl.robot.server import Pictures, RobotServer
from dexctl.wire.endpoint import host_to_bind
from dexctl.wire.keys import server_keys


@dataclasses.dataclass(frozen=True)
class ServePlan:
    """What a served robot was asked to be; see the options of ``dexctl simulate``.

    Attributes:
        virtual: time passes only when the controller says so.
        cameras: what draws for the profile's cameras, or None for a robot without.
    """

    loaded: Loaded
    bind: str
    seed: int
    virtual: bool
    cameras: Literal["classic", "filament"] | None
    key: Path | None
    allow: Path | None
    insecure: bool
    endpoint_file: Path | None


def robot_of(loaded: Loaded) -> Robot:
    """The robot of a profile.

    Raises:
        ProfileError: it has none.
    """
    if loaded.profile.robot is None:
        raise ProfileError(
            f"{loaded.name}: it has no table [robot]", "Take 'robot/twin' or 'robot/same', or inherit one of them."
        )
    return loaded.profile.robot


def run_serve(plan: ServePlan, output: Output, dry_run: bool = False) -> None:
    """Serves until a signal.

    Raises:
        Stopped: the signal; the robot was told to hold first.
        UsageError, RefusedError, CreateError, ProfileError: before anything is served.
    """
    robot = robot_of(plan.loaded)
    keys = server_keys(plan.key, plan.allow) if plan.key and plan.allow else None
    host_to_bind(plan.bind, keys, plan.insecure)
    if dry_run:
        return
    with (
        Signals() as signals,
        Events("simulate", output.event_stream(), profile_digest=plan.loaded.digest, seed=plan.seed) as events,
        _cameras(plan, robot) as pictures,
        # Before any thread is made: all of them share Python's lock with the low-level loop.
        _hurried(plan.virtual) as memory,
        RobotServer(
            plan.loaded.profile,
            robot,
            plan.seed,
            plan.bind,
            plan.virtual,
            lambda kind, fields: _tell(events, kind, fields),
            keys,
            plan.insecure,
            pictures,
        ) as server,
    ):
        events.emit("listening", endpoint=server.endpoint)
        if plan.endpoint_file:
            write_endpoint_file(plan.endpoint_file, server.endpoint)
        server.watch(signals.fileno())
        realtime.keep_garbage()
        server.start()
        if server.loop:
            _tell_realtime(events, server.loop.scheduling, memory)
        events.emit("ready", robot=robot.name, clock=server.features.clock)
        notify_ready()
        if output.event_stream() is None:
            messages.info(f"{robot.name} listens on {server.endpoint}")
        while signals.stopped_by is None:
            server.turn()
            signals.drain()
            if signals.take_status_request():
                events.emit("status", **_punctuality(server))
        events.emit("status", **_punctuality(server))
        signals.raise_if_stopped()


def _tell(events: Events, kind: str, fields: dict[str, object]) -> None:
    events.emit(kind, **fields)
    if kind == "warning":
        messages.warning(str(fields["message"]))


@contextlib.contextmanager
def _cameras(plan: ServePlan, robot: Robot) -> Iterator[Pictures | None]:
    """What draws, in a process of its own, so that neither Python's lock nor its rank meets the low-level loop's."""
    if plan.cameras is None:
        yield None
        return
    from dexctl.vision.rendering.crew import Crew

    profile = plan.loaded.profile
    with Crew(plan.cameras, profile, robot.image_px, plan.seed, 1) as crew:

        def draw(qpos: np.ndarray) -> dict[str, np.ndarray]:
            one = np.zeros(1, np.int64)
            task = {"row": one, "look": one, "state_row": one, "qpos": qpos[None].astype(np.float32)}
            (rows,) = crew.draw(iter([task]), lambda: False)
            return dict(zip(profile.cameras, np.ascontiguousarray(rows["images"][0]), strict=True))

        yield draw


@contextlib.contextmanager
def _hurried(virtual: bool) -> Iterator[str]:
    """Asks the system for the time and memory that a low-level loop wants; yields why memory was not pinned, if not."""
    if virtual:
        yield ""
        return
    realtime.switch_threads_quickly()
    memory = realtime.pin_memory()
    # What this thread could not have, the loop cannot either, and says so.
    realtime.schedule_first(realtime.TALK_PRIORITY)
    yield memory


def _tell_realtime(events: Events, scheduling: str, memory: str) -> None:
    """Says what the system did not give to the low-level loop, by the reasons why not."""
    events.emit("realtime", scheduled_first=not scheduling, memory_pinned=not memory)
    for what, why in (("SCHED_FIFO", scheduling), ("pinned memory", memory)):
        if why:
            messages.warning(f"the low-level loop runs without {what}: {why}")


def _punctuality(server: RobotServer) -> dict[str, object]:
    if server.loop is None:
        return {"clock": "virtual"}
    kept = server.loop.punctuality
    return {
        "periods": kept.periods,
        "within_half_ms": kept.share,
        "worst_ms": kept.worst_s * 1000,
        "skipped": kept.skipped,
    }

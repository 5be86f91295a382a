"""One ``dexctl simulate`` from start to end: a play, who watches it, events, signals."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from pathlib import Path
from typing import Literal

from dexctl.console import messages
from dexctl.console.events import Events
from dexctl.console.output import Output, Table
from dexctl.console.progress import Progress
from dexctl.console.signals import Signals
from dexctl.policy.opening import OpenPolicy
from dexctl.profile.load import digest
from dexctl.rollout.play import Episode, Moment, play
from dexctl.rollout.screening import Film, Live, portrait
from dexctl.scene.picture import Painter, encode_png
from dexctl.scene.stage import Stage
from dexctl.store.whole_file import write_whole


@dataclasses.dataclass(frozen=True)
class SimulatePlan:
    """What was asked for; see the options of ``dexctl simulate``.

    Attributes:
        seconds: of simulated time; None plays on while somebody watches, and 20 s otherwise.
    """

    policy: OpenPolicy
    seed: int
    seconds: float | None
    video: Path | None
    png: Path | None
    view: Literal["window", "web"] | None
    port: int
    camera: str


_UNWATCHED_S = 20.0


def check_simulate(plan: SimulatePlan) -> None:
    """Checks that the camera exists and can paint, and touches nothing.

    Raises:
        UsageError, UnavailableError: it cannot.
    """
    if plan.video or plan.png:
        with Painter(Stage(plan.policy.profile).model, 16, 16, plan.camera):
            pass


def run_simulate(plan: SimulatePlan, output: Output) -> None:
    """Plays, shows and records.

    Raises:
        InputOutputError: an output cannot be written.
        UnavailableError: there is no display, or no renderer.
        Stopped: a signal; what was filmed until then is kept, no picture is painted.
    """
    check_simulate(plan)
    seconds = plan.seconds or (math.inf if plan.view else _UNWATCHED_S)
    stage = Stage(plan.policy.profile)
    episodes: list[Episode] = []
    with (
        Signals() as signals,
        Events("simulate", output.event_stream(), profile_digest=digest(plan.policy.profile), seed=plan.seed) as events,
    ):
        moment: Moment | None = None
        with (
            Progress("simulate", quiet=output.quiet) as progress,
            contextlib.ExitStack() as watching,
        ):
            film = watching.enter_context(Film(stage, plan.video, plan.camera)) if plan.video else None
            live = _open_view(plan, stage, events, watching)
            for moment in play(plan.policy, plan.seed, seconds):
                if film:
                    film.add(moment)
                if moment.ended:
                    episodes.append(moment.ended)
                    events.emit("episode", policy=plan.policy.name, **dataclasses.asdict(moment.ended))
                caption = moment.caption
                progress.update(
                    {"episode": len(episodes), "goals in a row": caption.goals, "time": f"{caption.time_s:.1f} s"}
                )
                if (live and not live.show(moment)) or signals.stopped_by is not None:
                    break
        if plan.video:
            _made(plan.video, events, output)
        # A portrait takes seconds: whoever stopped the play does not wait for it.
        signals.raise_if_stopped()
        if plan.png and moment:
            write_whole(plan.png, encode_png(portrait(stage, moment, plan.camera)))
            _made(plan.png, events, output)
    if output.event_stream() is None:
        output.show({}, _table(episodes))


def _made(path: Path, events: Events, output: Output) -> None:
    events.emit("file", path=str(path))
    output.made(path)


def _open_view(plan: SimulatePlan, stage: Stage, events: Events, watching: contextlib.ExitStack) -> Live | None:
    if plan.view == "window":
        from dexctl.scene.native_viewer import NativeViewer

        return Live(stage, watching.enter_context(NativeViewer(stage)))
    if plan.view == "web":
        from dexctl.scene.web_viewer import WebViewer

        viewer = watching.enter_context(WebViewer(stage, plan.port))
        events.emit("listening", endpoint=viewer.url)
        port = viewer.url.rstrip("/").rpartition(":")[2]
        messages.info(f"open {viewer.url} in a browser; from elsewhere after: ssh -L {port}:127.0.0.1:{port} HOST")
        return Live(stage, viewer)
    return None


def _table(episodes: list[Episode]) -> Table:
    rows = [(one.index, one.goals, f"{one.seconds:.1f} s", one.end) for one in episodes]
    return Table(("episode", "goals in a row", "time", "end"), rows)

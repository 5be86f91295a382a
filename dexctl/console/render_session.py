"""One ``dexctl render`` from start to end: states in, pictures out, events, signals."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from dexctl.console.beforehand import check_output
from dexctl.console.events import Events
from dexctl.console.output import Output
from dexctl.console.progress import Progress
from dexctl.console.render_source import Per, StatesSource
from dexctl.console.row_stream import Binding, sending
from dexctl.console.signals import Signals
from dexctl.errors import UsageError
from dexctl.scene.picture import encode_png
from dexctl.scene.video import VideoWriter
from dexctl.store.images import Images, ImagesMetadata, ImagesWriter, image_columns
from dexctl.store.whole_file import write_whole
from dexctl.vision.rendering.crew import Crew
from dexctl.vision.rendering.renderer import Kind
from dexctl.vision.rendering.sheet import SHEET_ROWS, sheet, strip
from dexctl.wire.row_sender import RowSender

_FILM_FRAMES_PER_S = 12


@dataclasses.dataclass(frozen=True)
class RenderPlan:
    """What was asked for; see the options of ``dexctl render``.

    Attributes:
        path: of the dataset; None makes none.
        binding: where pictures can be fetched, None for nowhere.
        count: rows it is to have; None for one of each state.
    """

    source: StatesSource
    renderer: Kind
    size_px: int
    seed: int
    per: Per
    workers: int
    count: int | None
    path: Path | None
    binding: Binding | None
    sheet: Path | None
    video: Path | None


def check_render(plan: RenderPlan) -> None:
    """Checks that outputs can be made, and touches nothing.

    Raises:
        CreateError, UsageError: they cannot.
    """
    if plan.path is None and plan.binding is None and plan.sheet is None and plan.video is None:
        raise UsageError("nothing is to be made", "Give -o IMAGES, --bind, --sheet FILE.png or --video FILE.mp4.")
    if plan.binding:
        plan.binding.check()
    for path, suffixes in ((plan.path, ()), (plan.sheet, (".png",)), (plan.video, (".mp4",))):
        if path is None:
            continue
        check_output(path, *suffixes)


def run_render(plan: RenderPlan, output: Output) -> None:
    """Renders; a dataset that was begun is gone on with.

    Raises:
        CreateError, InputOutputError: an output cannot be written.
        UnavailableError: this machine cannot draw; or who brings states, or fetches pictures, is gone.
        DataError: a state is damaged.
        Stopped: a signal; what was rendered until then is kept.
    """
    check_render(plan)
    loaded = plan.source.loaded
    stop = plan.count if plan.count is not None else plan.source.count
    with (
        Signals() as signals,
        Events("render", output.event_stream(), profile_digest=loaded.digest, seed=plan.seed) as events,
    ):
        with (
            Crew(plan.renderer, loaded.profile, plan.size_px, plan.seed, plan.workers) as crew,
            Progress("render", quiet=output.quiet) as progress,
            contextlib.closing(plan.source),
            contextlib.ExitStack() as outputs,
        ):
            events.emit("ready", device=crew.device, workers=plan.workers)
            writer = outputs.enter_context(_writer(plan, crew, events)) if plan.path else None
            sender = outputs.enter_context(_sender(plan, crew, events, output, signals)) if plan.binding else None
            film = outputs.enter_context(VideoWriter(plan.video, _FILM_FRAMES_PER_S)) if plan.video else None
            done = writer.committed if writer else 0
            first, started = done, time.monotonic()
            shown: list[np.ndarray] = []
            tasks = plan.source.tasks(done, stop, plan.per)
            for rows in _drawn(crew, tasks, signals):
                if writer:
                    writer.append(rows)
                if sender and not sender.send(done, rows, lambda: signals.stopped_by is not None):
                    break
                if film:
                    for pictures in rows["images"]:
                        film.add(_even(strip(pictures)))
                if plan.sheet and len(shown) < SHEET_ROWS:
                    shown.extend(rows["images"][: SHEET_ROWS - len(shown)])
                done += len(rows["images"])
                rate = (done - first) * len(loaded.profile.cameras) / max(time.monotonic() - started, 1e-6)
                progress.update({"states": done, "images/s": round(rate, 1)})
                if signals.take_status_request():
                    events.emit("status", states=done)
            if signals.stopped_by is None:
                plan.source.enough()
        if plan.path:
            output.made(plan.path)
        if plan.video:
            _made(plan.video, events, output)
        if plan.sheet:
            _write_sheet(plan.sheet, shown, plan.path)
            _made(plan.sheet, events, output)
        # Films and sheets of what there is are whole by now.
        signals.raise_if_stopped()


def _write_sheet(path: Path, shown: list[np.ndarray], dataset: Path | None) -> None:
    """Writes a contact sheet; of what the dataset had before, when nothing was added to it."""
    if not shown and dataset:
        images = Images(dataset)
        shown = list(images.read(0, min(SHEET_ROWS, len(images)), ("images",))["images"])
    if shown:
        write_whole(path, encode_png(sheet(shown)))


def _drawn(crew: Crew, tasks: Iterator[dict[str, np.ndarray]], signals: Signals) -> Iterator[dict[str, np.ndarray]]:
    return crew.draw(tasks, lambda: signals.stopped_by is not None)


def _metadata(plan: RenderPlan) -> ImagesMetadata:
    profile = plan.source.loaded.profile
    return ImagesMetadata(
        profile=msgspec.to_builtins(profile),
        profile_digest=plan.source.loaded.digest,
        cameras=list(profile.cameras),
        renderer=plan.renderer,
        seed=plan.seed,
        height_px=plan.size_px,
        width_px=plan.size_px,
        positions=plan.source.positions,
    )


def _sender(
    plan: RenderPlan, crew: Crew, events: Events, output: Output, signals: Signals
) -> contextlib.AbstractContextManager[RowSender]:
    assert plan.binding is not None
    metadata, wire = _metadata(plan), plan.source.loaded.profile.wire
    columns = image_columns(metadata, crew.appearance)
    return sending(
        plan.binding, "images", metadata, columns, wire, events, output, lambda: signals.stopped_by is not None
    )


def _writer(plan: RenderPlan, crew: Crew, events: Events) -> ImagesWriter:
    assert plan.path is not None

    def announce(start: int, stop: int) -> None:
        events.emit("rows", dataset=str(plan.path), start=start, stop=stop)

    writer = ImagesWriter(plan.path, _metadata(plan), crew.appearance, announce)
    if writer.committed:
        announce(0, writer.committed)
    return writer


def _even(picture: np.ndarray) -> np.ndarray:
    """A picture whose edges are even, as H.264 wants them."""
    return picture[: len(picture) // 2 * 2, : picture.shape[1] // 2 * 2]


def _made(path: Path, events: Events, output: Output) -> None:
    events.emit("file", path=str(path))
    output.made(path)

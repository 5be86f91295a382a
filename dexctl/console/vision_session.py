"""One ``dexctl train-vision`` from start to end: run folder, feed, steps, measurements, checkpoints."""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator, Sequence

import torch

import dexctl
from dexctl.console import messages
from dexctl.console.events import Events
from dexctl.console.notify import notify_ready
from dexctl.console.output import Output
from dexctl.console.progress import Progress, shown_duration
from dexctl.console.resuming import newest_whole
from dexctl.console.run_folder import RunFolder
from dexctl.console.signals import Signals
from dexctl.errors import DexctlError
from dexctl.evaluate.pose_curve import draw_pose_curve, read_measurements
from dexctl.evaluate.pose_errors import measure
from dexctl.policy import checkpoint
from dexctl.profile.load import Loaded
from dexctl.store.images import Images
from dexctl.vision.estimator import Estimator
from dexctl.vision.feed import Feed
from dexctl.vision.learner import Losses, Pictures, PoseLearner

CURVE = "vision.png"
# Of each dataset that is measured while training: enough for a mean to half a degree.
_MEASURED_ROWS = 256
_TOLD_EVERY_S = 5.0
# A side that waits for a tenth of the time is held up by the other.
_HELD_UP = 0.1


@dataclasses.dataclass(frozen=True)
class VisionPlan:
    """What was asked for; see the options of ``dexctl train-vision``.

    Attributes:
        portions: makes what pictures come from, from a seed.
        held_out: pictures that are measured and never learned from.
        seconds: when to stop, None for never.
        threads: of the arithmetic, None for one a core.
    """

    portions: Callable[[int], Iterator[Pictures]]
    held_out: Sequence[Images]
    seconds: float | None
    threads: int | None


class VisionSession:
    """Learns in a run folder until the profile's last batch, a limit, the pictures' end, or a signal."""

    def __init__(self, folder: RunFolder, loaded: Loaded, plan: VisionPlan, output: Output) -> None:
        """Makes the learner, from the run's newest checkpoint where there is one.

        Raises:
            DataError: every checkpoint is damaged.
            ProtocolError: the checkpoint does not fit.
        """
        assert loaded.profile.vision is not None
        if plan.threads is not None:
            torch.set_num_threads(plan.threads)
        self._folder, self._loaded, self._plan, self._output = folder, loaded, plan, output
        self._training = loaded.profile.vision.training
        self._learner = PoseLearner(loaded.profile, loaded.profile.run.seed)
        self._seconds_before = 0.0
        self._warnings: list[str] = []
        self._restore()
        self._estimator = Estimator(loaded.profile, self._learner.network)
        self._started = self._saved_at = self._told_at = time.monotonic()
        self._saved_batches = self._told_batches = self._learner.batches
        self._told_waiting = (0.0, 0.0)
        self._losses: list[Losses] = []

    def _restore(self) -> None:
        saved, self._warnings = newest_whole(self._folder.path)
        if saved is not None:
            self._learner.restore(saved)
            self._seconds_before = saved.header.progress.seconds

    @property
    def _elapsed_s(self) -> float:
        return time.monotonic() - self._started

    def train(self) -> None:
        """Trains; raises what ended it before its end.

        Raises:
            UnavailableError: the renderer failed; what it made until then was learned from.
            Stopped: a signal; the run resumes from the checkpoint it left.
        """
        folder, seed = self._folder, self._loaded.profile.run.seed
        events = Events(
            "train-vision",
            self._output.event_stream(),
            folder.events_path,
            run=folder.name,
            profile_digest=self._loaded.digest,
            seed=seed,
        )
        title = f"{folder.name}: {self._loaded.name}"
        with events, Signals() as signals, Progress(title, quiet=self._output.quiet) as progress:
            for warning in self._warnings:
                self._warn(events, warning)
            # Another order than before a resumption, and another than another seed's.
            order = seed * 1_000_003 + self._learner.batches
            with Feed(self._plan.portions(order), self._training.batch, order) as feed:
                try:
                    self._learn(feed, events, signals, progress)
                finally:
                    self._save(events)
            signals.raise_if_stopped()
        self._output.made(folder.path)

    def _learn(self, feed: Feed, events: Events, signals: Signals, progress: Progress) -> None:
        learner = self._learner
        events.emit("ready", resumed=self._folder.resumed, batches=learner.batches, states=learner.states)
        notify_ready()
        while learner.batches < self._training.batches and not self._late():
            batch = feed.take(lambda: signals.stopped_by is not None)
            if batch is None:
                break
            learner.standardize(batch.position_m)
            self._losses.append(learner.learn(batch))
            if signals.take_status_request():
                events.emit("status", batches=learner.batches, states=learner.states)
            if time.monotonic() - self._told_at > _TOLD_EVERY_S:
                self._tell(feed, events, progress)
            if learner.batches % self._training.measure_batches == 0:
                self._measure(events, signals, progress)
            if time.monotonic() - self._saved_at > self._loaded.profile.run.checkpoint_s:
                self._save(events)
        if signals.stopped_by is None and learner.batches % self._training.measure_batches:
            self._measure(events, signals, progress)

    def _late(self) -> bool:
        return self._plan.seconds is not None and self._elapsed_s >= self._plan.seconds

    def _tell(self, feed: Feed, events: Events, progress: Progress) -> None:
        now, learner = time.monotonic(), self._learner
        passed_s, batches = now - self._told_at, learner.batches - self._told_batches
        waiting = (feed.waited_s, feed.held_s)
        learning, pictures = (
            (after - before) / passed_s for after, before in zip(waiting, self._told_waiting, strict=True)
        )
        self._told_at, self._told_batches, self._told_waiting = now, learner.batches, waiting
        losses = _mean(self._losses)
        self._losses = []
        states_per_s = batches * self._training.batch / passed_s
        elapsed_s = self._seconds_before + self._elapsed_s
        bottleneck = "pictures" if learning > _HELD_UP else "learning"
        events.emit(
            "iteration",
            batches=learner.batches,
            states=learner.states,
            elapsed_s=elapsed_s,
            states_per_s=states_per_s,
            learning_rate=learner.learning_rate,
            loss=dataclasses.asdict(losses),
            waiting={"learning": learning, "pictures": pictures},
            bottleneck=bottleneck,
        )
        progress.update(
            {
                "states": learner.states,
                "states/s": states_per_s,
                "position loss": losses.position,
                "rotation loss": losses.rotation,
                "learning rate": learner.learning_rate,
                "waiting for pictures": f"{100.0 * learning:.0f}%",
                "bottleneck": bottleneck,
                "time": shown_duration(elapsed_s),
                "batches left": self._training.batches - learner.batches,
            }
        )

    def _measure(self, events: Events, signals: Signals, progress: Progress) -> None:
        learner = self._learner
        for images in self._plan.held_out:
            errors = measure(self._estimator, images, _MEASURED_ROWS, lambda: signals.stopped_by is not None)
            if signals.stopped_by is not None:
                return
            document = errors.document()
            elapsed_s = self._seconds_before + self._elapsed_s
            events.emit(
                "measurement", batches=learner.batches, states_learned=learner.states, elapsed_s=elapsed_s, **document
            )
            mean = (document["rotation_deg"]["mean"], document["position_mm"]["mean"])
            progress.update({f"{images.metadata.renderer}": f"{mean[0]:.2f} degrees, {mean[1]:.2f} mm"})
        self._draw(events)

    def _draw(self, events: Events) -> None:
        try:
            measurements = read_measurements(self._folder.events_path)
            draw_pose_curve(measurements, self._folder.name, self._folder.path / CURVE)
        except DexctlError as error:
            # A picture is not worth a run.
            self._warn(events, str(error))

    def _warn(self, events: Events, message: str) -> None:
        messages.warning(message)
        events.emit("warning", message=message)

    def _save(self, events: Events) -> None:
        learner = self._learner
        self._saved_at = time.monotonic()
        if learner.batches == self._saved_batches:
            return
        self._saved_batches = learner.batches
        path = self._folder.checkpoints / checkpoint.name_of(learner.batches)
        checkpoint.write(
            path,
            profile=self._loaded.profile,
            digest=self._loaded.digest,
            progress=checkpoint.Progress(
                version=learner.batches,
                steps=learner.states,
                seconds=self._seconds_before + self._elapsed_s,
                learning_rate=learner.learning_rate,
            ),
            tensors=learner.state(),
            program=dexctl.__version__,
        )
        for old in checkpoint.listed(self._folder.path)[: -self._loaded.profile.run.keep_checkpoints]:
            old.unlink(missing_ok=True)
        events.emit("checkpoint", path=str(path), batches=learner.batches, states=learner.states)


def _mean(losses: Sequence[Losses]) -> Losses:
    return Losses(*(statistics.fmean(column) for column in zip(*map(dataclasses.astuple, losses), strict=True)))

"""The first, and mostly only, optimizer process: run folder, events, endpoint, local workers, checkpoints."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import msgspec

import dexctl
from dexctl.console import messages
from dexctl.console.events import Events
from dexctl.console.notify import notify_ready, write_endpoint_file
from dexctl.console.optimizer_parts import experience, local_workers, share_cores, waited_for
from dexctl.console.optimizer_processes import company
from dexctl.console.output import Output
from dexctl.console.progress import Progress, shown_duration
from dexctl.console.resuming import newest_whole
from dexctl.console.run_folder import RunFolder
from dexctl.console.signals import Signals
from dexctl.console.tensorboard import Board
from dexctl.console.training_plan import Place, Plan
from dexctl.console.worker_table import first_rows
from dexctl.errors import DexctlError
from dexctl.evaluate.curve import draw_curve
from dexctl.policy import checkpoint
from dexctl.ppo.device import learning_device
from dexctl.ppo.learner import Learner
from dexctl.ppo.training import Training
from dexctl.profile.load import Loaded
from dexctl.reorient.action import num_actuators

# A signal ends the wait, and so does experience; this bounds how late a dead worker is noticed.
_TURN_S = 1.0
CURVE = "learning.png"


class Session:
    """Trains in a run folder until a limit, or a signal, and always leaves a checkpoint."""

    def __init__(self, folder: RunFolder, loaded: Loaded, plan: Plan, place: Place, output: Output) -> None:
        """Makes the learner, from the run's newest checkpoint where there is one."""
        share_cores(place)
        self._place = place
        self._folder, self._loaded, self._plan, self._output = folder, loaded, plan, output
        self._profile = loaded.profile
        device = learning_device(self._profile, plan.fused, place.local_rank)
        self._learner = Learner(self._profile, num_actuators(self._profile), self._profile.run.seed, device)
        self._seconds_before = 0.0
        self._warnings: list[str] = []
        self._training: Training | None = None
        self._board = Board(folder.path) if plan.tensorboard else None
        self._restore()
        self._started = self._saved_at = time.monotonic()
        self._saved_version = self._learner.version

    def _restore(self) -> None:
        saved, self._warnings = newest_whole(self._folder.path)
        if saved is not None:
            self._learner.restore(saved)
            self._seconds_before = saved.header.progress.seconds
        # Also a run that was killed before its first checkpoint begins again where it began.
        elif self._plan.start_from is not None:
            self._learner.begin_from(checkpoint.read(self._plan.start_from))

    @property
    def _elapsed_s(self) -> float:
        return time.monotonic() - self._started

    @property
    def _trained_s(self) -> float:
        began_s = self._training.began_s if self._training else None
        return 0.0 if began_s is None else time.monotonic() - began_s

    @property
    def _saved_s_ago(self) -> float:
        return time.monotonic() - self._saved_at

    def train(self) -> None:
        """Trains; raises what ended it before its limits.

        Raises:
            Stopped: a signal; the run resumes from the checkpoint it left.
        """
        folder = self._folder
        stream = self._output.event_stream()
        events = Events(
            "optimize",
            stream,
            folder.events_path,
            run=folder.name,
            profile_digest=self._loaded.digest,
            seed=self._profile.run.seed,
        )
        title = f"{folder.name}: {self._loaded.name}"
        with events, Signals() as signals, Progress(title, quiet=self._output.quiet) as progress:
            for warning in self._warnings:
                self._warn(events, warning)
            try:
                self._serve(events, signals, progress)
            finally:
                self._save(events)
                if self._board:
                    self._board.close()
            signals.raise_if_stopped()
        self._output.made(folder.path)

    def _serve(self, events: Events, signals: Signals, progress: Progress) -> None:
        plan, place, run = self._plan, self._place, self._folder.path
        with (
            experience(self._loaded, plan, place, run) as source,
            company(place, source.endpoint, run / "processes", signals, self._learner.device) as all_of_us,
        ):
            self._learner.join(all_of_us.learning)
            emit = self._listener(events, progress)
            training = Training(self._learner, source, emit, waited_for(plan, place), all_of_us.meeting)
            self._training = training
            for one in all_of_us.endpoints if source.endpoint else ():
                events.emit("listening", endpoint=one)
            if plan.endpoint_file is not None:
                write_endpoint_file(plan.endpoint_file, "\n".join(all_of_us.endpoints))
            with contextlib.closing(training), local_workers(plan, place, all_of_us, training, run) as workers:
                events.emit("ready", endpoint=source.endpoint, resumed=self._folder.resumed, steps=self._learner.steps)
                notify_ready()
                while not training.ended(signals.stopped_by is not None or self._enough(training)):
                    updated = training.turn(_TURN_S, signals.fileno(), lambda: signals.stopped_by is not None)
                    signals.drain()
                    progress.show_rows(lambda: first_rows(training.workers()))
                    if signals.take_status_request():
                        self._tell_status(events, training)
                    for index, status in workers.tend():
                        self._warn(events, f"local worker {index} ended with status {status}; starting it again")
                    # Between updates: in one, networks and moments do not fit together.
                    if updated and self._saved_s_ago > self._profile.run.checkpoint_s:
                        self._save(events)
                training.finish()
                source.dismiss("the training is over")

    def _enough(self, training: Training) -> bool:
        plan = self._plan
        # Starting workers takes what it takes: a minute of training is one with experience, and learns once at least.
        late = plan.seconds is not None and training.updates > 0 and self._trained_s >= plan.seconds
        return late or (plan.steps is not None and self._learner.steps >= plan.steps)

    def _listener(self, events: Events, progress: Progress) -> Any:
        def emit(event: str, /, **fields: Any) -> None:
            if event == "iteration":
                fields["elapsed_s"] = self._seconds_before + self._elapsed_s
                progress.update(self._shown(fields))
                if self._board:
                    self._board.write(fields)
            elif event == "warning":
                messages.warning(str(fields["message"]))
            events.emit(event, **fields)

        return emit

    def _shown(self, fields: dict[str, Any]) -> dict[str, str | int | float]:
        goals = fields["goals"]
        shown: dict[str, str | int | float] = {
            "steps": fields["steps"],
            "steps/s": fields["steps_per_s"],
            "simulated years": fields["simulated_years"],
            "goals in a row": "-" if goals is None else goals,
            "reward": fields["reward"],
            "entropy": fields["entropy"],
            "KL": fields["kl"],
            "learning rate": fields["learning_rate"],
            "staleness": fields["staleness"],
            "workers": fields["workers"],
            "time": shown_duration(fields["elapsed_s"]),
        }
        left = self._left_s(fields["steps_per_s"])
        if left is not None:
            shown["time left"] = shown_duration(left)
        return shown

    def _left_s(self, steps_per_s: float) -> float | None:
        plan, left = self._plan, []
        if plan.seconds is not None:
            left.append(plan.seconds - self._trained_s)
        if plan.steps is not None and steps_per_s > 0:
            left.append((plan.steps - self._learner.steps) / steps_per_s)
        return min(left) if left else None

    def _tell_status(self, events: Events, training: Training) -> None:
        workers = msgspec.to_builtins(training.workers())
        events.emit("status", steps=self._learner.steps, version=self._learner.version, workers=workers)

    def _warn(self, events: Events, message: str) -> None:
        messages.warning(message)
        events.emit("warning", message=message)

    def _save(self, events: Events) -> None:
        self._saved_at = time.monotonic()
        learner = self._learner
        if learner.version == self._saved_version:
            return
        self._saved_version = learner.version
        path = self._folder.checkpoints / checkpoint.name_of(learner.version)
        checkpoint.write(
            path,
            profile=self._profile,
            digest=self._loaded.digest,
            progress=checkpoint.Progress(
                version=learner.version,
                steps=learner.steps,
                seconds=self._seconds_before + self._elapsed_s,
                learning_rate=learner.learning_rate,
            ),
            tensors=learner.state(),
            program=dexctl.__version__,
        )
        for old in checkpoint.listed(self._folder.path)[: -self._profile.run.keep_checkpoints]:
            old.unlink(missing_ok=True)
        events.emit("checkpoint", path=str(path), version=learner.version, steps=learner.steps)
        try:
            draw_curve(self._folder.events_path, self._folder.path / CURVE)
        except DexctlError as error:
            # A picture is not worth a run.
            self._warn(events, str(error))

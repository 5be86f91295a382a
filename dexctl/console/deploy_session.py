"""One ``dexctl deploy`` from start to end: a policy, a robot, trials, a recording, a table."""

from __future__ import annotations

import dataclasses
import datetime
import statistics
import traceback
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import torch

from dexctl.console import messages
from dexctl.console.events import Events
from dexctl.console.machine import usable_cores
from dexctl.console.meeting import features_of
from dexctl.console.output import Output, Table
from dexctl.console.progress import Progress
from dexctl.console.signals import Signals
from dexctl.errors import CreateError, DexctlError, ProtocolError, SafetyStop, UsageError
from dexctl.evaluate.trials import Trial as Played
from dexctl.evaluate.trials import score
from dexctl.policy.opening import OpenPolicy
from dexctl.profile.load import digest
from dexctl.profile.schema import Profile, Safety
from dexctl.robot import realtime
from dexctl.robot.awaiting import await_object
from dexctl.robot.control import Clocks, Controller, Outcome, Step
from dexctl.robot.goal_file import Goal
from dexctl.robot.opening import open_robot
from dexctl.robot.placing import Placing
from dexctl.robot.protocol import Features, Reading, Robot
from dexctl.robot.recorder import Recorder
from dexctl.robot.safety import Guard
from dexctl.robot.sensed import SOURCES, PoseEstimator, check_senses
from dexctl.robot.trial import Trial, listed_goals, random_goals
from dexctl.scene.anatomy import anatomy
from dexctl.store.recordings import RecordingMetadata
from dexctl.wire.keys import WorkerKeys

_PERSON_S = 600.0
# Beyond so many threads a network of the paper's size gains little.
_MOST_THREADS = 4


@dataclasses.dataclass(frozen=True)
class DeployPlan:
    """What was asked for; see the options of ``dexctl deploy``.

    Attributes:
        robot_profile: the robot's own: its hand, its safety, topics and names.
        goals: of a file, or None for random ones.
    """

    address: str
    robot_profile: Profile
    policy: OpenPolicy
    estimator: PoseEstimator | None
    vision: str
    goals: list[Goal] | None
    trials: int
    seed: int
    armed: bool
    images: bool
    recording: Path
    keys: WorkerKeys | None
    connect_s: float

    @property
    def safety(self) -> Safety:
        """When the robot is stopped."""
        assert self.robot_profile.robot is not None
        return self.robot_profile.robot.safety


def run_deploy(plan: DeployPlan, output: Output, dry_run: bool) -> None:
    """Runs the trials and shows the score; whatever happens, the robot is stopped first.

    Raises:
        UnavailableError, TemporaryError, RefusedError, ProtocolError: no robot, not now, not with these keys, or
            not one for this policy.
        SafetyStop: the robot was stopped to protect it; what was played until then is shown.
        InputOutputError: the recording broke off; the trial that ran then was ended in good order.
        Stopped: a signal.
    """
    torch.set_num_threads(_num_threads(plan.estimator is not None))
    # Before any other thread is made: those that share Python's lock with the control loop must not be put off either.
    realtime.switch_threads_quickly()
    if not dry_run:
        realtime.keep_memory()
        # The recorder's threads inherit it; the control loop says when it could not have its own.
        realtime.schedule_first(realtime.RECORD_PRIORITY)
    if plan.recording.exists():
        raise CreateError(f"{plan.recording}: there already, and recordings are never overwritten", "Name another.")
    profile = plan.policy.profile
    with (
        Signals() as signals,
        open_robot(
            *(plan.address, plan.robot_profile, _period_s(profile), plan.keys, plan.connect_s),
            wakeup_fd=signals.fileno(),
            sees=plan.images or plan.estimator is not None,
        ) as robot,
    ):
        features = features_of(robot, signals)
        _check(plan, features)
        if features.clock == "virtual":
            realtime.schedule_as_others()
        if dry_run:
            output.show(_plan_document(plan, features), *_plan_tables(plan, features))
            return
        events = Events("deploy", output.event_stream(), profile_digest=digest(profile), seed=plan.seed)
        cameras = features.cameras if plan.images else ()
        recorder = Recorder(plan.recording, _metadata(plan, features), features, cameras)
        outcomes: list[Outcome] = []
        clocks = Clocks()
        stopped: SafetyStop | None = None
        with events:
            with Progress("deploy", quiet=output.quiet) as progress, recorder:
                session = _Session(plan, robot, signals, events, progress, recorder)
                try:
                    clocks = session.run(outcomes)
                except SafetyStop as stop:
                    clocks, stopped = session.clocks, stop
                    if stop.__cause__ is not None and not isinstance(stop.__cause__, DexctlError):
                        traceback.print_exception(stop.__cause__)
                    messages.warning("the robot was stopped to protect it")
            _tell_timing(events, clocks)
            events.emit("file", path=str(plan.recording))
            if output.event_stream() is None or output.json:
                output.show(_document(plan, outcomes, clocks), *_tables(plan, outcomes, clocks))
            output.made(plan.recording)
            if stopped:
                raise stopped
            if recorder.failure:
                raise recorder.failure
            signals.raise_if_stopped()


class _Session:
    """The trials of one deploy, told to events and progress as they go."""

    def __init__(
        self,
        plan: DeployPlan,
        robot: Robot,
        signals: Signals,
        events: Events,
        progress: Progress,
        recorder: Recorder,
    ) -> None:
        profile, features = plan.policy.profile, robot.features
        self._plan, self._robot, self._signals = plan, robot, signals
        self._events, self._progress, self._recorder = events, progress, recorder
        self._index = 0
        goals = listed_goals(plan.goals) if plan.goals else random_goals(profile)
        count = min(profile.evaluate.goals, len(plan.goals)) if plan.goals else profile.evaluate.goals
        control_range = torch.tensor(features.control_range_rad, dtype=torch.float64)
        self._trial = Trial(profile, plan.policy.chooser(1), control_range, goals, count)
        self._controller = Controller(
            robot,
            self._trial,
            Guard(plan.safety, features),
            plan.seed,
            Placing(profile) if features.places and plan.armed else None,
            plan.estimator,
            plan.images,
            self._on_step,
            self._ends,
            self._await_object,
            realtime.keep_garbage,
        )

    @property
    def clocks(self) -> Clocks:
        """Of the steps so far."""
        return self._controller.clocks

    def run(self, outcomes: list[Outcome]) -> Clocks:
        """Connects, runs and fills ``outcomes`` as trials end."""
        self._robot.connect()
        self._events.emit("ready", robot=self._robot.features.name, armed=self._plan.armed)
        if self._robot.features.clock == "real":
            # What was made until now, the recorder's threads among it, stays behind this one.
            why_not = realtime.schedule_first(realtime.CONTROL_PRIORITY)
            if why_not:
                messages.warning(f"the control loop runs without SCHED_FIFO: {why_not}")
        if not self._plan.armed:
            messages.info("not armed: everything but motion, one trial of 4 s; give --arm to move the robot")
        for outcome in self._controller.run(self._plan.trials, self._plan.armed):
            outcomes.append(outcome)
            self._index = outcome.index + 1
            self._events.emit("trial", **dataclasses.asdict(outcome))
            if self._recorder.failure:
                break
        return self.clocks

    def _ends(self) -> bool:
        # A descriptor that stays readable would end every wait of the control loop at once.
        self._signals.drain()
        if self._signals.take_status_request():
            self._events.emit("status", **self._status())
        return self._signals.stopped_by is not None

    def _status(self) -> dict[str, object]:
        trial, clocks = self._trial, self.clocks
        return {"trial": self._index, "goals": trial.goals, "seconds": trial.seconds, "late": clocks.late}

    def _on_step(self, step: Step) -> None:
        self._recorder.add(step)
        left_deg = float(np.degrees(step.judgement.angle_rad))
        self._progress.update(
            {
                "trial": f"{step.trial + 1} of {self._plan.trials}",
                "goals in a row": self._trial.goals,
                "to go": f"{left_deg:.0f} deg",
                "late steps": self.clocks.late,
            }
        )

    def _await_object(self, index: int, look: Callable[[], Reading]) -> None:
        messages.info(f"trial {index + 1}: put the object on the palm and take the hand away")
        await_object(look, self._robot.wait_until, self._plan.policy.profile.task, _PERSON_S, self._ends)


def _num_threads(sees: bool) -> int:
    """One for a policy; pictures are worth half the cores, the others are left to the recorder, or a served robot."""
    return max(1, min(_MOST_THREADS, usable_cores() // 2)) if sees else 1


def _period_s(profile: Profile) -> float:
    return profile.physics.timestep_s * profile.physics.substeps


def _check(plan: DeployPlan, features: Features) -> None:
    actuators = anatomy(plan.policy.profile.hand).actuators
    if actuators != features.actuators:
        raise ProtocolError(
            f"the policy moves {len(actuators)} actuators, {features.name} has {len(features.actuators)}, "
            "or names them otherwise",
            "Take a policy that was trained for this hand.",
        )
    if plan.vision and not features.cameras:
        raise ProtocolError(
            f"{features.name} has no cameras",
            "Serve it with --cameras, name them in [robot.cameras] of its profile, or leave --vision away.",
        )
    if plan.estimator and plan.estimator.cameras != features.cameras:
        raise ProtocolError(
            f"the estimator looks through {', '.join(plan.estimator.cameras)}, {features.name} has the cameras "
            f"{', '.join(features.cameras)}",
            "Give the cameras the names and the order of those that it was trained with.",
        )
    if plan.estimator and plan.estimator.image_px != features.image_px:
        raise ProtocolError(
            f"the estimator sees {plan.estimator.image_px} px, the cameras of {features.name} give {features.image_px}",
            "Train one on pictures of that size, or set robot.image_px where the robot is served.",
        )
    if plan.images and not features.cameras:
        raise UsageError(f"--images, and {features.name} has no cameras", "Leave --images away.")
    check_senses(plan.policy.chooser(1).observe, features, bool(plan.vision))


def _metadata(plan: DeployPlan, features: Features) -> RecordingMetadata:
    profile = plan.policy.profile
    return RecordingMetadata(
        profile=msgspec.to_builtins(profile),
        profile_digest=digest(profile),
        policy=plan.policy.name,
        robot=plan.address,
        features=msgspec.to_builtins(features),
        senses=list(features.senses),
        seed=plan.seed,
        period_s=_period_s(profile),
        started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def _played(outcomes: list[Outcome]) -> list[Played]:
    return [Played(one.index, one.goals, one.end, one.seconds, one.goal_seconds) for one in outcomes]


def _timing(clocks: Clocks) -> dict[str, float | int | None]:
    latency = np.array(clocks.latency_s) * 1000
    return {
        "steps": len(latency),
        "late": clocks.late,
        "refused": clocks.refused,
        "worst_late_ms": clocks.worst_late_s * 1000,
        "step_median_ms": float(statistics.median(latency)) if len(latency) else None,
        "step_p99_ms": float(np.percentile(latency, 99)) if len(latency) else None,
    }


def _tell_timing(events: Events, clocks: Clocks) -> None:
    events.emit("timing", **_timing(clocks))
    if clocks.late or clocks.refused:
        messages.warning(
            f"{clocks.late} of {len(clocks.latency_s)} steps began late, by {clocks.worst_late_s * 1000:.0f} ms at "
            f"worst; {clocks.refused} commands came too late to be executed"
        )


def _document(plan: DeployPlan, outcomes: list[Outcome], clocks: Clocks) -> dict[str, object]:
    return {
        "policies": [score(plan.policy.name, _played(outcomes))],
        "robot": plan.address,
        "trials": [dataclasses.asdict(one) for one in outcomes],
        "timing": _timing(clocks),
        "recording": str(plan.recording),
    }


def _tables(plan: DeployPlan, outcomes: list[Outcome], clocks: Clocks) -> list[Table]:
    scored = score(plan.policy.name, _played(outcomes))
    row = tuple(None if scored[key] is None else round(scored[key], 2) for key in ("mean", "std", "median"))
    trials = " ".join(map(str, scored["trials"]))
    timing = _timing(clocks)
    return [
        Table(
            ("policy", "mean", "std", "median", "sorted trials"), [(plan.policy.name, *row, trials)], "goals in a row"
        ),
        Table(
            ("trial", "goals", "time", "end", "late steps", "limit hits"),
            [(one.index, one.goals, f"{one.seconds:.1f} s", one.end, one.late, one.hits) for one in outcomes],
        ),
        Table(
            ("steps", "late", "refused", "median, ms", "99%, ms"),
            [tuple(timing[key] for key in ("steps", "late", "refused", "step_median_ms", "step_p99_ms"))],
            "control steps, from reading to command",
        ),
    ]


def _plan_document(plan: DeployPlan, features: Features) -> dict[str, object]:
    return {
        "robot": {"address": plan.address, **msgspec.to_builtins(features)},
        "policy": plan.policy.name,
        "observations": {name: SOURCES[name][1] for name in plan.policy.chooser(1).observe},
        "trials": plan.trials,
        "goals": len(plan.goals) if plan.goals else "random",
        "armed": plan.armed,
        "recording": str(plan.recording),
    }


def _plan_tables(plan: DeployPlan, features: Features) -> list[Table]:
    profile = plan.policy.profile
    rows: list[tuple[str, str]] = [
        ("robot", f"{features.name} at {plan.address}"),
        ("clock", features.clock),
        ("policy", plan.policy.name),
        ("pose", f"from the cameras by {plan.vision}" if plan.vision else "from motion capture"),
        ("trials", f"{plan.trials}, {profile.evaluate.goals} goals in a row at most"),
        ("goals", f"{len(plan.goals)} of a file" if plan.goals else f"random, seed {plan.seed}"),
        ("motion", "armed" if plan.armed else "not armed: everything but motion"),
        ("recording", str(plan.recording)),
    ]
    observed = [(name, SOURCES[name][1]) for name in plan.policy.chooser(1).observe]
    return [Table((), rows, "would do"), Table(("observation", "had from"), observed)]


def default_recording() -> Path:
    """A name that tells when the session began."""
    return Path(f"recording-{datetime.datetime.now():%Y%m%d-%H%M%S}.zarr")

"""One recording of the calibration's motions: a robot, the script, and what came of it."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from dexctl.calibrate.motions import Script
from dexctl.calibrate.recording import check_robot, play
from dexctl.console import messages
from dexctl.console.calibrate_session import chosen_fingers
from dexctl.console.meeting import features_of
from dexctl.console.output import Output, Table
from dexctl.console.progress import Progress, shown_duration
from dexctl.console.serve_session import robot_of
from dexctl.console.signals import Signals
from dexctl.errors import CreateError, UsageError
from dexctl.profile.load import load
from dexctl.robot.control import Step
from dexctl.robot.opening import open_robot
from dexctl.robot.protocol import Features
from dexctl.robot.recorder import Recorder
from dexctl.robot.safety import Guard
from dexctl.store.recordings import RecordingMetadata
from dexctl.wire.keys import worker_keys


@dataclasses.dataclass(frozen=True)
class RecordOrder:
    """The options of ``dexctl calibrate --record``.

    Attributes:
        profile: of the robot, for its table [robot], its control period and the size of a full action.
    """

    address: str
    profile: str
    output: Path
    fingers: tuple[str, ...]
    arm: bool
    timeout_s: float
    key: Path | None
    server_key: Path | None


def record_motions(order: RecordOrder, output: Output, dry_run: bool) -> None:
    """Plays the script and records it; without ``arm`` the plan is shown and nothing moves.

    Raises:
        UsageError, CreateError, ProfileError, RefusedError: before the robot is asked.
        UnavailableError, TemporaryError, ProtocolError: no robot, not now, or another hand.
        SafetyStop: the robot was stopped to protect it; what was recorded until then is whole.
        InputOutputError: the recording broke off.
        Stopped: a signal; the robot was stopped first.
    """
    if order.output.exists():
        raise CreateError(f"{order.output}: there already, and recordings are never overwritten", "Name another.")
    if order.output.suffix != ".zarr":
        raise UsageError(f"{order.output}: not a .zarr folder", "End the name in .zarr.")
    keys = worker_keys(order.key, order.server_key)
    parts = chosen_fingers(order.fingers)
    loaded = load(order.profile)
    robot_profile, profile = robot_of(loaded), loaded.profile
    period_s = profile.physics.timestep_s * profile.physics.substeps
    with (
        Signals() as signals,
        open_robot(order.address, profile, period_s, keys, order.timeout_s, wakeup_fd=signals.fileno()) as robot,
    ):
        features = features_of(robot, signals)
        check_robot(features)
        script = Script(np.array(features.control_range_rad), profile.action.range_fraction, period_s, parts)
        plan = _plan(order, features, script.steps_at_most * period_s, [part.name for part in parts])
        if dry_run or not order.arm:
            output.show(plan, _table(plan))
            if not dry_run:
                messages.info("not armed: nothing moved; give --arm to move the robot, with nothing in its hand")
            return
        metadata = RecordingMetadata(
            profile=msgspec.to_builtins(profile),
            profile_digest=loaded.digest,
            policy="script",
            robot=order.address,
            features=msgspec.to_builtins(features),
            senses=list(features.senses),
            seed=0,
            period_s=period_s,
            started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )
        recorder = Recorder(order.output, metadata, features)
        with Progress("calibrate --record", quiet=output.quiet) as progress, recorder:
            late = 0

            def on_step(step: Step) -> None:
                nonlocal late
                recorder.add(step)
                late += step.late_s > period_s
                phase = script.phase
                progress.update(
                    {
                        "finger": phase.finger.name if phase else "",
                        "motion": phase.kind if phase else "",
                        "recorded": shown_duration(step.index * period_s),
                        "at most": shown_duration(script.steps_at_most * period_s),
                        "missed steps": late,
                    }
                )

            robot.connect()
            steps = play(
                robot,
                script,
                Guard(robot_profile.safety, features),
                period_s,
                on_step,
                lambda: signals.stopped_by is not None or recorder.failure is not None,
            )
        if recorder.failure:
            raise recorder.failure
        signals.raise_if_stopped()
    document = {**plan, "steps": steps, "seconds": steps * period_s, "missed_steps": late}
    output.show(document, _table(document))
    output.made(order.output)


def _plan(order: RecordOrder, features: Features, at_most_s: float, parts: list[str]) -> dict[str, Any]:
    return {
        "robot": f"{features.name} at {order.address}",
        "fingers": parts,
        "at_most_s": at_most_s,
        "armed": order.arm,
        "recording": str(order.output),
    }


def _table(document: dict[str, Any]) -> Table:
    rows = [
        (key.replace("_s", ", s"), ", ".join(value) if isinstance(value, list) else value)
        for key, value in document.items()
    ]
    return Table((), rows)

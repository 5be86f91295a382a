"""``dexctl simulate --replay``: a recorded session on show."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from dexctl.console.events import Events
from dexctl.console.output import Output
from dexctl.console.progress import Progress
from dexctl.console.signals import Signals
from dexctl.evaluate.recorded import recorded_poses
from dexctl.profile.schema import Profile
from dexctl.reorient.rules import End
from dexctl.rollout.play import Moment
from dexctl.rollout.screening import Film
from dexctl.scene.build import build_scene
from dexctl.scene.overlay import Caption
from dexctl.scene.stage import Stage
from dexctl.store.recordings import Recording
from dexctl.store.rows import profile_of

_SHOWN = (
    *("trial", "step", "joint_angles_rad", "object_position_m", "object_orientation_wxyz"),
    *("goal_wxyz", "angle_rad", "reached", "end"),
)


@dataclasses.dataclass(frozen=True)
class ReplayPlan:
    """What was asked for; see the options of ``dexctl simulate``."""

    recording: Path
    video: Path
    camera: str


def run_replay(plan: ReplayPlan, output: Output, dry_run: bool) -> None:
    """Films a recording, as fast as it can be painted.

    Raises:
        MissingError, DataError: there is none, or it is damaged.
        UsageError, InputOutputError: the film cannot be made.
        Stopped: a signal; what was filmed until then is kept.
    """
    recording = Recording(plan.recording)
    profile = profile_of(recording.metadata.profile, str(plan.recording), "Use the dexctl that recorded it.")
    if dry_run:
        return
    with (
        Signals() as signals,
        Events("simulate", output.event_stream(), profile_digest=recording.metadata.profile_digest) as events,
        Progress("replay", quiet=output.quiet) as progress,
    ):
        with Film(Stage(profile), plan.video, plan.camera) as film:
            for moment in moments(recording, profile):
                film.add(moment)
                progress.update({"time": f"{moment.caption.time_s:.1f} s", "goals in a row": moment.caption.goals})
                if signals.stopped_by is not None:
                    break
        events.emit("file", path=str(plan.video))
        output.made(plan.video)
        signals.raise_if_stopped()


def moments(recording: Recording, profile: Profile) -> Iterator[Moment]:
    """The control steps of a recording as people see them."""
    rows = recording.read(0, len(recording), _SHOWN)
    scene = build_scene(profile)
    count, qpos, goals = len(recording), recorded_poses(rows, scene), 0
    for row in range(count):
        goals = (0 if rows["step"][row] == 0 else goals) + int(rows["reached"][row])
        same = row + 1 < count and rows["trial"][row + 1] == rows["trial"][row]
        end = End(int(rows["end"][row]))
        yield Moment(
            before=qpos[row],
            after=qpos[row + 1] if same else qpos[row],
            goal_wxyz=rows["goal_wxyz"][row],
            seconds=recording.metadata.period_s,
            caption=Caption(
                goals=goals,
                goals_wanted=profile.evaluate.goals,
                time_s=round(float(rows["step"][row] + 1) * recording.metadata.period_s, 6),
                angle_rad=float(rows["angle_rad"][row]),
                note="" if end == End.RUNNING else end.name.lower(),
            ),
        )

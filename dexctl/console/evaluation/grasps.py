"""How the object is held in trials played or recorded: contacts, grasps, what fingers do, told and painted."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np

from dexctl.console.evaluation.contenders import Contender, open_contenders
from dexctl.console.evaluation.question import Question
from dexctl.console.output import Output, Table
from dexctl.console.progress import Progress
from dexctl.console.signals import Signals
from dexctl.errors import CreateError
from dexctl.evaluate.contacts import LINKS, Touches, find_touches
from dexctl.evaluate.grasps import GRASPS, HELD_S, Pivot, Stretch, gaits, pivots, stretches
from dexctl.evaluate.recorded import recorded_tracks
from dexctl.evaluate.tracks import Track, Tracks
from dexctl.evaluate.trials import play_trials
from dexctl.profile.schema import Profile
from dexctl.scene import names
from dexctl.scene.build import Scene, build_scene
from dexctl.scene.picture import Painter, encode_png
from dexctl.scene.stage import Stage
from dexctl.store.recordings import Recording
from dexctl.store.rows import profile_of
from dexctl.store.whole_file import write_whole

# Chosen: minutes of simulated play, which show each grasp that a policy has.
_TRIALS = 10
_SIZE = (800, 600)
_SHADOWS = 8


@dataclasses.dataclass(frozen=True)
class _Session:
    """Trials of one policy, or on one robot.

    Attributes:
        name: of the policy or the recording, as the user named it.
        label: of its profile, or of the robot.
    """

    name: str
    label: str
    profile: Profile
    scene: Scene
    tracks: list[Track]


@dataclasses.dataclass(frozen=True)
class _Seen:
    """One trial as the fingers went through it."""

    track: Track
    touches: Touches
    stretches: list[Stretch]
    pivots: list[Pivot]


def run(question: Question, output: Output, dry_run: bool) -> None:
    """Tells how the object was held in trials that are played, or were recorded.

    Raises:
        UsageError, MissingError, DataError, ProtocolError, ProfileError: before any trial is played.
        CreateError, InputOutputError: a picture cannot be written.
        UnavailableError: pictures are wanted, and this machine cannot draw.
        Stopped: a signal.
    """
    contenders = open_contenders(question) if question.policy else []
    recordings = [
        (one, profile_of(one.metadata.profile, str(one.path), "Use the dexctl that recorded it."))
        for one in map(Recording, question.recording)
    ]
    if question.pictures:
        _check_pictures(
            question.pictures, (*(one.policy.profile for one in contenders), *(p for _, p in recordings))[0]
        )
    if dry_run:
        return
    count, told = question.trials or _TRIALS, []
    with Signals() as signals, Progress("grasps", quiet=output.quiet) as progress:
        played = (_play(contender, count, question.seed, signals, progress) for contender in contenders)
        recorded = (_recall(recording, profile) for recording, profile in recordings)
        for session in itertools.chain(played, recorded):
            seen = []
            for track in session.tracks:
                signals.raise_if_stopped()
                touches = find_touches(session.scene, track.qpos_TQ)
                at = session.scene.object_qpos + 3
                seen.append(_Seen(track, touches, stretches(touches), pivots(touches, track.qpos_TQ[:, at : at + 4])))
            told.append(_tell(session, seen))
            if question.pictures:
                for path in _paint(question.pictures, session, seen, len(contenders) + len(recordings) > 1):
                    signals.raise_if_stopped()
                    output.made(path)
    tables = [table for one in told for table in _tables(one)]
    if recordings:
        output.show({"recordings": told}, *tables)
    else:
        output.show({"policies": told, "trials": count, "seed": question.seed}, *tables)


def _play(contender: Contender, count: int, seed: int, signals: Signals, progress: Progress) -> _Session:
    profile, tracks, over = contender.policy.profile, Tracks(), 0
    for ended in play_trials(profile, contender.policy.chooser, count, seed, tracks):
        signals.raise_if_stopped()
        over += len(ended)
        progress.update({contender.name: f"{over} of {count} trials"})
    moved = [tracks.track(trial) for trial in range(count)]
    return _Session(contender.name, contender.profile, profile, build_scene(profile), moved)


def _recall(recording: Recording, profile: Profile) -> _Session:
    scene = build_scene(profile)
    tracks = recorded_tracks(recording, scene)
    return _Session(str(recording.path), recording.metadata.robot, profile, scene, tracks)


def _check_pictures(folder: Path, profile: Profile) -> None:
    if not folder.parent.is_dir() or (folder.exists() and not folder.is_dir()):
        raise CreateError(f"{folder}: no folder can be made there", "Give --pictures another.")
    with Painter(Stage(profile).model, 16, 16):
        pass


def _tell(session: _Session, seen: list[_Seen]) -> dict[str, Any]:
    profile = session.profile
    period_s = profile.physics.timestep_s * profile.physics.substeps
    links = np.concatenate([one.touches.link_TFL for one in seen])
    moments = len(links)
    every = [stretch for one in seen for stretch in one.stretches]
    turned = [pivot for one in seen for pivot in one.pivots]
    gaiting = [gaits(one.touches) for one in seen]
    grasps = {}
    for grasp in dict.fromkeys((*GRASPS, *(stretch.grasp for stretch in every))):
        lengths = [stretch.stop - stretch.start for stretch in every if stretch.grasp == grasp]
        grasps[grasp] = {
            "share": sum(lengths) / moments,
            "times_held": sum(length * period_s >= HELD_S for length in lengths),
            "longest_s": round(max(lengths, default=0) * period_s, 6),
        }
    return {
        "name": session.name,
        "profile": session.label,
        "seconds": round(moments * period_s, 6),
        "touching": {
            finger: {
                "any": float(links[:, index].any(axis=1).mean()),
                **{link: float(links[:, index, part].mean()) for part, link in enumerate(LINKS)},
                "gaits": sum(counts[finger] for counts in gaiting),
            }
            for index, finger in enumerate(names.FINGERS)
        },
        "grasps": grasps,
        "pivots": {"count": len(turned), "distal": sum(pivot.distal for pivot in turned)},
    }


def _tables(told: dict[str, Any]) -> list[Table]:
    seconds = told["seconds"]
    fingers = [
        (finger, *(f"{one[key]:.1%}" for key in ("any", *LINKS)), one["gaits"])
        for finger, one in told["touching"].items()
    ]
    grasps = [
        (grasp, f"{one['share']:.1%}", one["times_held"], f"{one['longest_s']:.2f} s")
        for grasp, one in told["grasps"].items()
    ]
    turned = told["pivots"]
    return [
        Table(
            ("finger", "touches", *LINKS, "gaits"), fingers, f"{told['name']}: {seconds:.0f} s, share of time touching"
        ),
        Table(("grasp", "share", f"held {HELD_S:g} s", "longest"), grasps),
        Table((), [("pivots", turned["count"], "by the distal links alone", turned["distal"])]),
    ]


def _paint(folder: Path, session: _Session, seen: list[_Seen], several: bool) -> list[Path]:
    """A picture of each grasp found, from the middle of its longest stretch."""
    folder.mkdir(exist_ok=True)
    stage = Stage(session.profile)
    paths = []
    with Painter(stage.model, *_SIZE, shadow_samples=_SHADOWS) as painter:
        for grasp in GRASPS:
            held = [(one, stretch) for one in seen for stretch in one.stretches if stretch.grasp == grasp]
            if not held:
                continue
            one, stretch = max(held, key=lambda pair: pair[1].stop - pair[1].start)
            middle = (stretch.start + stretch.stop - 1) // 2
            stage.pose(one.track.qpos_TQ[middle], one.track.goal_wxyz[middle], 0.0)
            owner = f"{Path(session.name).stem}-" if several else ""
            paths.append(folder / f"{owner}{grasp.replace(' ', '-')}.png")
            write_whole(paths[-1], encode_png(painter.paint(stage.data)))
    return paths

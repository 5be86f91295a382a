"""How policies hold the object: contacts, grasps and what fingers do, as tables, a document and pictures."""

from __future__ import annotations

import dataclasses
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
from dexctl.evaluate.tracks import Track, Tracks
from dexctl.evaluate.trials import play_trials
from dexctl.profile.schema import Profile
from dexctl.scene import names
from dexctl.scene.build import build_scene
from dexctl.scene.picture import Painter, encode_png
from dexctl.scene.stage import Stage
from dexctl.store.whole_file import write_whole

# Chosen: minutes of simulated play, which show each grasp that a policy has.
_TRIALS = 10
_SIZE = (800, 600)
_SHADOWS = 8


@dataclasses.dataclass(frozen=True)
class _Seen:
    """One trial as the fingers went through it."""

    track: Track
    touches: Touches
    stretches: list[Stretch]
    pivots: list[Pivot]


def run(question: Question, output: Output, dry_run: bool) -> None:
    """Plays trials and tells how the object was held in them.

    Raises:
        UsageError, MissingError, DataError, ProtocolError, ProfileError: before any trial is played.
        CreateError, InputOutputError: a picture cannot be written.
        UnavailableError: pictures are wanted, and this machine cannot draw.
        Stopped: a signal.
    """
    contenders = open_contenders(question)
    if question.pictures:
        _check_pictures(question.pictures, contenders[0].policy.profile)
    if dry_run:
        return
    count = question.trials or _TRIALS
    told = []
    with Signals() as signals, Progress("grasps", quiet=output.quiet) as progress:
        for contender in contenders:
            profile, tracks, over = contender.policy.profile, Tracks(), 0
            for ended in play_trials(profile, contender.policy.chooser, count, question.seed, tracks):
                signals.raise_if_stopped()
                over += len(ended)
                progress.update({contender.name: f"{over} of {count} trials"})
            scene = build_scene(profile)
            seen = []
            for trial in range(count):
                signals.raise_if_stopped()
                track = tracks.track(trial)
                touches = find_touches(scene, track.qpos_TQ)
                turns = track.qpos_TQ[:, scene.object_qpos + 3 : scene.object_qpos + 7]
                seen.append(_Seen(track, touches, stretches(touches), pivots(touches, turns)))
            told.append(_tell(contender, seen))
            if question.pictures:
                for path in _paint(question.pictures, contender, seen, len(contenders) > 1):
                    signals.raise_if_stopped()
                    output.made(path)
    tables = [table for one in told for table in _tables(one)]
    output.show({"policies": told, "trials": count, "seed": question.seed}, *tables)


def _check_pictures(folder: Path, profile: Profile) -> None:
    if not folder.parent.is_dir() or (folder.exists() and not folder.is_dir()):
        raise CreateError(f"{folder}: no folder can be made there", "Give --pictures another.")
    with Painter(Stage(profile).model, 16, 16):
        pass


def _tell(contender: Contender, seen: list[_Seen]) -> dict[str, Any]:
    profile = contender.policy.profile
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
        "name": contender.name,
        "profile": contender.profile,
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


def _paint(folder: Path, contender: Contender, seen: list[_Seen], several: bool) -> list[Path]:
    """A picture of each grasp found, from the middle of its longest stretch."""
    folder.mkdir(exist_ok=True)
    stage = Stage(contender.policy.profile)
    paths = []
    with Painter(stage.model, *_SIZE, shadow_samples=_SHADOWS) as painter:
        for grasp in GRASPS:
            held = [(one, stretch) for one in seen for stretch in one.stretches if stretch.grasp == grasp]
            if not held:
                continue
            one, stretch = max(held, key=lambda pair: pair[1].stop - pair[1].start)
            middle = (stretch.start + stretch.stop - 1) // 2
            stage.pose(one.track.qpos_TQ[middle], one.track.goal_wxyz[middle], 0.0)
            owner = f"{Path(contender.name).name}-" if several else ""
            paths.append(folder / f"{owner}{grasp.replace(' ', '-')}.png")
            write_whole(paths[-1], encode_png(painter.paint(stage.data)))
    return paths

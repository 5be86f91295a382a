"""The best, the median and the worst trial of a policy, each as a strip of pictures and as a film."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from dexctl.evaluate.tracks import Track
from dexctl.evaluate.trials import Trial, goals_by_trial
from dexctl.profile.schema import Profile
from dexctl.rollout.play import Moment
from dexctl.rollout.screening import Film
from dexctl.scene.overlay import Caption
from dexctl.scene.picture import Painter
from dexctl.scene.stage import Stage

_FRAMES = 8
_SIZE = (400, 300)
_SHADOWS = 4


@dataclasses.dataclass(frozen=True)
class Frame:
    """One picture of a strip.

    Attributes:
        picture: (300, 400, 3) uint8, RGB.
        seconds: since the trial's start; goals: reached until then.
    """

    picture: np.ndarray
    seconds: float
    goals: int


def chosen_trials(trials: Sequence[Trial]) -> dict[str, Trial]:
    """The best, the median and the worst trial, by those names; none that failed, and none twice."""
    scored = [trial for trial, goals in zip(trials, goals_by_trial(trials), strict=True) if goals is not None]
    ranked = sorted(scored, key=lambda trial: (-trial.goals, trial.index))
    if not ranked:
        return {}
    places = {"best": 0, "worst": len(ranked) - 1, "median": (len(ranked) - 1) // 2}
    first_of = {place: name for name, place in reversed(places.items())}
    return {name: ranked[places[name]] for name in ("best", "median", "worst") if first_of[places[name]] == name}


def chosen_moments(track: Track, frames: int = _FRAMES) -> list[int]:
    """Which moments of a trial tell its story: its start, goals as they are reached, its end; evenly thinned."""
    last = len(track.goals) - 1
    reached = (np.flatnonzero(np.diff(track.goals) > 0) + 1).tolist()
    story = sorted({0, *reached, last})
    if len(story) < frames:
        # Few goals: the time between them is shown as well.
        story = sorted({*story, *np.linspace(0, last, frames - len(story) + 2).round().astype(int).tolist()})
    return [story[round(place)] for place in np.linspace(0, len(story) - 1, min(frames, len(story)))]


def paint_strips(
    profile: Profile, tracks: Sequence[Track], on_picture: Callable[[], None] = lambda: None
) -> list[list[Frame]]:
    """Paints the moments of each trial; ``on_picture`` is called before each picture.

    Raises:
        UnavailableError: this machine cannot draw.
    """
    stage = Stage(profile)
    period_s = profile.physics.timestep_s * profile.physics.substeps
    strips: list[list[Frame]] = []
    with Painter(stage.model, *_SIZE, shadow_samples=_SHADOWS) as painter:
        for track in tracks:
            strips.append([])
            for moment in chosen_moments(track):
                on_picture()
                # A goal that was just reached is shown beside the pose that reached it.
                asked = max(0, moment - 1)
                stage.pose(track.qpos_TQ[moment], track.goal_wxyz[asked], moment * period_s)
                frame = Frame(painter.paint(stage.data), moment * period_s, int(track.goals[moment]))
                strips[-1].append(frame)
    return strips


def film_trial(
    profile: Profile,
    track: Track,
    path: Path,
    note: str,
    seconds: float,
    on_picture: Callable[[], None] = lambda: None,
) -> None:
    """Films the last ``seconds`` of a trial.

    Args:
        path: ends in ``.mp4``; note: how the trial ended.
        on_picture: called before each control step's pictures.

    Raises:
        UnavailableError, CreateError, InputOutputError: it cannot be painted or written.
    """
    period_s = profile.physics.timestep_s * profile.physics.substeps
    last = len(track.goals) - 1
    with Film(Stage(profile), path) as film:
        for step in range(max(0, last - round(seconds / period_s)), last):
            on_picture()
            ends = step + 1 == last
            caption = Caption(
                goals=int(track.goals[step + 1]),
                goals_wanted=profile.evaluate.goals,
                time_s=(step + 1) * period_s,
                angle_rad=float(track.angle_rad[step + 1]),
                note=note if ends else "",
            )
            film.add(Moment(track.qpos_TQ[step], track.qpos_TQ[step + 1], track.goal_wxyz[step], period_s, caption))

"""What becomes of the moments of a play: a film, a live view, a portrait of the last one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np

from dexctl.rollout.play import Moment
from dexctl.scene.cameras import WATCH
from dexctl.scene.overlay import Caption, add_caption
from dexctl.scene.picture import Painter
from dexctl.scene.stage import Stage
from dexctl.scene.video import VideoWriter

_FRAMES_PER_S = 25
_FILM_SIZE = (960, 600)
_PORTRAIT_SIZE = (1200, 750)
_PORTRAIT_SHADOWS = 24
# A live view that fell behind by more than this goes on from now, in place of running after.
_PATIENCE_S = 0.5


class Viewer(Protocol):
    """Shows a stage to somebody who looks now."""

    def show(self, caption: str) -> bool:
        """Draws the stage as it stands; False when nobody looks any more."""
        ...


class Film:
    """A film of a play, between its moments too; a context manager."""

    def __init__(self, stage: Stage, path: Path, camera: str = WATCH) -> None:
        """Opens film and renderer.

        Raises:
            UsageError, CreateError, UnavailableError: see ``VideoWriter`` and ``Painter``.
        """
        self._stage = stage
        self._painter = Painter(stage.model, *_FILM_SIZE, camera)
        self._writer = VideoWriter(path, _FRAMES_PER_S)
        self._moments_s = 0.0
        self._frames = 0

    def add(self, moment: Moment) -> None:
        """Adds the frames that fall into a moment.

        Raises:
            InputOutputError: the film cannot be written on.
        """
        start_s = self._moments_s
        self._moments_s += moment.seconds
        while (due_s := (self._frames + 1) / _FRAMES_PER_S) <= self._moments_s + 1e-9:
            _pose(self._stage, moment, (due_s - start_s) / moment.seconds)
            self._writer.add(add_caption(self._painter.paint(self._stage.data), moment.caption))
            self._frames += 1

    def __enter__(self) -> Film:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._painter.close()
        self._writer.__exit__(kind, error, trace)


class Live:
    """A play at the speed of life in a viewer."""

    def __init__(
        self,
        stage: Stage,
        viewer: Viewer,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Args: clock, sleep: seconds; what the view keeps time by."""
        self._stage, self._viewer = stage, viewer
        self._clock, self._sleep = clock, sleep
        self._due_s = clock()

    def show(self, moment: Moment) -> bool:
        """Shows a moment while it lasts; False when nobody looks any more."""
        frames = max(1, round(moment.seconds * _FRAMES_PER_S))
        for frame in range(1, frames + 1):
            _pose(self._stage, moment, frame / frames)
            if not self._viewer.show(_line(moment.caption)):
                return False
            self._due_s += moment.seconds / frames
            behind_s = self._clock() - self._due_s
            if behind_s < 0:
                self._sleep(-behind_s)
            elif behind_s > _PATIENCE_S:
                self._due_s += behind_s
        return True


def portrait(stage: Stage, moment: Moment, camera: str = WATCH) -> np.ndarray:
    """A large picture with soft shadows of a moment's end, (750, 1200, 3) uint8.

    Raises:
        UsageError, UnavailableError: see ``Painter``.
    """
    _pose(stage, moment, 1.0)
    with Painter(stage.model, *_PORTRAIT_SIZE, camera, _PORTRAIT_SHADOWS) as painter:
        return painter.paint(stage.data)


def _pose(stage: Stage, moment: Moment, fraction: float) -> None:
    qpos = stage.between(moment.before, moment.after, fraction)
    stage.pose(qpos, moment.goal_wxyz, moment.caption.time_s)


def _line(caption: Caption) -> str:
    words = "goal in a row" if caption.goals == 1 else "goals in a row"
    left = caption.note or f"{np.degrees(caption.angle_rad):.0f} deg to go"
    return f"{caption.goals} {words}   {caption.time_s:.1f} s   {left}"

"""What an evaluation was asked: the options of ``dexctl evaluate``, whichever mode they belong to."""

from __future__ import annotations

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True, kw_only=True)
class Question:
    """The options of ``dexctl evaluate``, under their own names; a default stands for one that is not there.

    What they mean is in the help text of ``dexctl evaluate``; which of them go together is in ``modes``.
    """

    policy: tuple[str, ...] = ()
    profile: tuple[str, ...] = ()
    set: tuple[str, ...] = ()
    trials: int | None = None
    seed: int = 0
    greedy: bool = False
    paper: tuple[str, ...] = ()
    plot: Path | None = None
    report: Path | None = None
    film: bool = False
    memory: bool = False
    grasps: bool = False
    pictures: Path | None = None
    recording: tuple[Path, ...] = ()
    vision: str | None = None
    images: tuple[Path, ...] = ()
    worst: Path | None = None
    calibration: tuple[str, ...] = ()
    recorded: tuple[Path, ...] = ()
    at_least: float | None = None

    def given(self) -> tuple[str, ...]:
        """Names of the options that are there, on the command line or in the environment, in the fields' order."""
        return tuple(field.name for field in dataclasses.fields(self) if getattr(self, field.name) != field.default)

"""What the paper reports, to stand beside what was measured: ``profiles/paper-results.toml``."""

from __future__ import annotations

import functools
from typing import Literal

import msgspec
import tomli

from dexctl.errors import UsageError
from dexctl.profile.layers import PAPER_RESULTS, near, shipped_folder
from dexctl.profile.schema import Profile


class Goals(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row of Tables 3 to 5: goals in a row.

    Attributes:
        label: the row's name in the paper; source: the table.
        std: sample standard deviation; trials: sorted, where the paper lists them.
    """

    label: str
    source: str
    place: Literal["simulation", "robot"]
    mean: float
    std: float
    median: float
    trials: tuple[int, ...]


class Pose(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row of Table 6: errors of the pose estimator, mean and standard deviation."""

    label: str
    source: str
    rotation_deg: tuple[float, float]
    position_mm: tuple[float, float]


class Memory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often the memory told larger blocks from smaller ones, and after how long (section 6.4)."""

    source: str
    seconds: float
    larger_or_smaller_accuracy: float


class Training(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Simulated years and hours of training without and with all randomizations, and what more machines gain."""

    source: str
    none_years: float
    none_hours: float
    all_years: float
    all_hours: float
    eight_gpus_over_one_to_20_goals: float
    sixteen_gpus_over_eight_to_40_goals: float


class Results(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that stands in the file."""

    goals: dict[str, Goals]
    poses: dict[str, Pose]
    memory: Memory
    training: Training


@functools.cache
def results() -> Results:
    """The paper's results."""
    text = (shipped_folder() / PAPER_RESULTS).read_text(encoding="utf-8")
    return msgspec.convert(tomli.loads(text), Results)


def goals_row(name: str) -> Goals:
    """A row of Tables 3 to 5 by its name in the file.

    Raises:
        UsageError: there is none; names the nearest.
    """
    rows = results().goals
    if name not in rows:
        raise UsageError(f"the paper has no row '{name}'", near(name, rows))
    return rows[name]


def fitting_row(profile: Profile) -> str | None:
    """Name of the row of Table 3, in simulation, whose task a profile is; None where the paper has no such row."""
    if profile.task.goal != "face-up":
        return None
    if profile.object.kind == "prism":
        return "prism"
    if profile.object.kind != "block":
        return None
    return "locked-wrist" if profile.action.hold else "block"

"""When a goal is reached and when an episode is over, in simulation and on a robot alike (section 6.2)."""

from __future__ import annotations

import dataclasses
import enum

import torch
from torch import Tensor

from dexctl.profile import schema


class End(enum.IntEnum):
    """Why an episode ended."""

    RUNNING = 0
    DROP = 1
    TIMEOUT = 2
    FULL = 3
    ERROR = 4


@dataclasses.dataclass(frozen=True)
class Limits:
    """How long an episode may go on.

    Attributes:
        steps_per_goal: control steps until the time for a goal is over.
        goals: reached in a row that make it full.
    """

    steps_per_goal: int
    goals: int


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What a control step came to, for N episodes.

    Attributes:
        reached, dropped: (N,) bool.
        end: (N,) int64, an ``End``.
    """

    reached: Tensor
    dropped: Tensor
    end: Tensor


def judge(
    task: schema.Task,
    position: Tensor,
    angle_rad: Tensor,
    failed: Tensor,
    goal_steps: Tensor,
    goals: Tensor,
    limits: Limits,
) -> Verdict:
    """Judges the state after a control step.

    Args:
        position: (N, 3) of the object, world frame.
        angle_rad: (N,) left to the goal that held in the step.
        failed: (N,) bool: the state means nothing.
        goal_steps: (N,) control steps since the goal was given, this one counted.
        goals: (N,) reached before this step.
    """
    dropped = ~failed & (position[:, 2] < task.drop_height_m)
    reached = ~failed & ~dropped & (angle_rad < task.success_rad)
    end = torch.zeros(len(position), dtype=torch.int64)
    end[(goal_steps >= limits.steps_per_goal) & ~reached] = End.TIMEOUT
    end[goals + reached.long() >= limits.goals] = End.FULL
    end[dropped] = End.DROP
    end[failed] = End.ERROR
    return Verdict(reached, dropped, end)

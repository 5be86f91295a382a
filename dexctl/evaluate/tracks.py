"""What trials looked like: the states they went through, kept while they are played."""

from __future__ import annotations

import dataclasses

import numpy as np
from torch import Tensor

# T moments, Q positions.


@dataclasses.dataclass(frozen=True)
class Track:
    """The states of one trial, at the start of each control step and at the end of the last.

    Attributes:
        qpos_TQ: (T, Q) float64.
        goal_wxyz: (T, 4) what was asked for; angle_rad: (T,) left to it.
        goals: (T,) reached so far.
    """

    qpos_TQ: np.ndarray
    goal_wxyz: np.ndarray
    angle_rad: np.ndarray
    goals: np.ndarray


class Tracks:
    """Takes down the trials of a batch as they are played; a trial of 100 s takes 400 KB."""

    def __init__(self) -> None:
        self._moments: dict[int, list[tuple[np.ndarray, np.ndarray, float, int]]] = {}

    def add(self, trials: Tensor, qpos: Tensor, goal_wxyz: Tensor, angle_rad: Tensor, goals: Tensor) -> None:
        """Takes one more moment of trials (n,), with arrays as in ``Track``, a row for each; they are kept."""
        rows = zip(qpos.cpu().numpy(), goal_wxyz.cpu().numpy(), angle_rad.tolist(), goals.tolist(), strict=True)
        for trial, moment in zip(trials.tolist(), rows, strict=True):
            self._moments.setdefault(trial, []).append(moment)

    def track(self, trial: int) -> Track:
        """The track of a trial by its index."""
        qpos, goal_wxyz, angle_rad, goals = zip(*self._moments[trial], strict=True)
        return Track(np.stack(qpos), np.stack(goal_wxyz), np.array(angle_rad), np.array(goals))

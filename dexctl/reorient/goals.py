"""Goal orientations: drawn for each simulation from its own key (appendix C.1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dexctl import randomness, rotation
from dexctl.profile import schema

# Chances that all candidates are already reached: 0.13^8 for yaw goals, far less for the others.
_CANDIDATES = 8


def sample_orientation(kind: str, key: Tensor) -> Tensor:
    """Draws orientations of one kind.

    Args:
        kind: ``so3``, ``face-up`` or ``yaw`` (see ``schema.Task``).
        key: (N,) int64.

    Returns:
        (N, 4) wxyz, float64, w >= 0.
    """
    u = randomness.uniform(key, 3)
    if kind == "so3":
        return rotation.uniform(u)
    yaw = rotation.about_z(2.0 * math.pi * u[:, 0] - math.pi)
    if kind == "yaw":
        return rotation.canonical(yaw)
    faces = rotation.cube_group()
    return rotation.canonical(rotation.multiply(yaw, faces[(u[:, 1] * len(faces)).long()]))


def next_goal(task: schema.Task, key: Tensor, current: Tensor) -> Tensor:
    """Draws the next goal of each simulation, not yet reached unless the profile allows that.

    Args:
        key: (N,) int64.
        current: (N, 4) the object's orientation.

    Returns:
        (N, 4) wxyz.
    """
    goal = sample_orientation(task.goal, randomness.derive(key, 0))
    if not task.redraw_reached:
        return goal
    for attempt in range(1, _CANDIDATES):
        reached = rotation.angle(rotation.difference(goal, current)) < task.success_rad
        if not bool(reached.any()):
            break
        again = sample_orientation(task.goal, randomness.derive(key, attempt))
        goal = torch.where(reached[:, None], again, goal)
    return goal

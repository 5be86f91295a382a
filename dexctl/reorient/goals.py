"""Goal orientations: drawn for each simulation from its own key (appendix C.1)."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

from dexctl import randomness, rotation
from dexctl.profile import schema

# Chances that all candidates are already reached: 0.13^8 for yaw goals, far less for the others.
_CANDIDATES = 8


@functools.cache
def upright_faces(object_kind: str) -> Tensor:
    """Rotations that bring each face of an object up, (F, 4) wxyz.

    The block's are the 24 of a cube, as in robogym: each face four times. The prism's are its ten faces. A ball
    and a body of one's own count as having a cube's.
    """
    if object_kind != "prism":
        return rotation.cube_group()
    zero = torch.zeros(8, dtype=torch.float64)
    side = torch.arange(8, dtype=torch.float64) * (math.pi / 4)
    # A side's normal lies at its angle about z; a quarter turn about the tangent lifts it to z.
    tangent = torch.stack((torch.sin(side), -torch.cos(side), zero), dim=1)
    lifted = rotation.from_rotation_vector(tangent * (math.pi / 2))
    ends = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]], dtype=torch.float64)
    return torch.cat((lifted, ends))


def sample_orientation(kind: str, key: Tensor, object_kind: str = "block") -> Tensor:
    """Draws orientations of one kind.

    Args:
        kind: ``so3``, ``face-up`` or ``yaw`` (see ``schema.Task``).
        key: (N,) int64.
        object_kind: whose faces are up, see ``schema.Object``.

    Returns:
        (N, 4) wxyz, float64, w >= 0.
    """
    u = randomness.uniform(key, 3)
    if kind == "so3":
        return rotation.uniform(u)
    yaw = rotation.about_z(2.0 * math.pi * u[:, 0] - math.pi)
    if kind == "yaw":
        return rotation.canonical(yaw)
    faces = upright_faces(object_kind)
    return rotation.canonical(rotation.multiply(yaw, faces[(u[:, 1] * len(faces)).long()]))


def next_goal(task: schema.Task, key: Tensor, current: Tensor, object_kind: str = "block") -> Tensor:
    """Draws the next goal of each simulation, not yet reached unless the profile allows that.

    Args:
        key: (N,) int64.
        current: (N, 4) the object's orientation.

    Returns:
        (N, 4) wxyz.
    """
    goal = sample_orientation(task.goal, randomness.derive(key, 0), object_kind)
    if not task.redraw_reached:
        return goal
    for attempt in range(1, _CANDIDATES):
        reached = rotation.angle(rotation.difference(goal, current)) < task.success_rad
        if not bool(reached.any()):
            break
        again = sample_orientation(task.goal, randomness.derive(key, attempt), object_kind)
        goal = torch.where(reached[:, None], again, goal)
    return goal

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


def next_goal(
    task: schema.Task, key: Tensor, current: Tensor, object_kind: str = "block", nearest_of: int = 1
) -> Tensor:
    """Draws the next goal of each simulation, not yet reached unless the profile allows that.

    Args:
        key: (N,) int64.
        current: (N, 4) the object's orientation.
        nearest_of: how many are drawn, of which the nearest is taken.

    Returns:
        (N, 4) wxyz.
    """

    def draw(index: int) -> tuple[Tensor, Tensor]:
        goal = sample_orientation(task.goal, randomness.derive(key, index), object_kind)
        angle = rotation.angle(rotation.difference(goal, current))
        return goal, torch.where(angle < task.success_rad, torch.inf, angle) if task.redraw_reached else angle

    goal, angle = draw(0)
    for index in range(1, nearest_of + _CANDIDATES - 1):
        reached = angle.isinf()
        if index >= nearest_of and not bool(reached.any()):
            break
        other, its_angle = draw(index)
        better = (its_angle < angle) & (reached if index >= nearest_of else True)
        goal, angle = torch.where(better[:, None], other, goal), torch.where(better, its_angle, angle)
    return goal

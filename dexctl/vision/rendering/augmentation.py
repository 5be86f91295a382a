"""Where the object is put before its picture is made: as it was, turned, or jittered (appendix D.2)."""

from __future__ import annotations

import enum

import torch
from torch import Tensor

from dexctl import rotation
from dexctl.profile import schema
from dexctl.randomize.draw import UNIT, Draws


class Augmentation(enum.IntEnum):
    """What was done to an object's pose."""

    NONE = 0
    TURNED = 1
    JITTERED = 2


def augment(
    pose: schema.RandomizePose, key: Tensor, position_m: Tensor, quaternion_wxyz: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Changes poses, each as its key says.

    Args:
        key: (n,) int64.
        position_m: (n, 3); quaternion_wxyz: (n, 4), unit.

    Returns:
        Positions, unit quaternions with w >= 0, and what was done (n,) int64, an ``Augmentation``.
    """
    if not pose.on:
        return position_m, rotation.canonical(quaternion_wxyz), torch.zeros_like(key)
    drawn = Draws("pose", kind=(UNIT, 1), turn=(UNIT, 1), jitter_m=(pose.jitter_m, 3), jitter_rad=(pose.jitter_rad, 3))(
        key
    )
    kind = torch.full_like(key, Augmentation.NONE)
    kind[drawn["kind"][:, 0] < pose.turned + pose.jittered] = Augmentation.JITTERED
    kind[drawn["kind"][:, 0] < pose.turned] = Augmentation.TURNED
    group = rotation.cube_group()
    turn = group[(drawn["turn"][:, 0] * len(group)).long()]
    turned = rotation.multiply(quaternion_wxyz, turn)
    jittered = rotation.multiply(rotation.from_rotation_vector(drawn["jitter_rad"]), quaternion_wxyz)
    is_jittered = (kind == Augmentation.JITTERED)[:, None]
    orientation = torch.where((kind == Augmentation.TURNED)[:, None], turned, quaternion_wxyz)
    orientation = torch.where(is_jittered, jittered, orientation)
    position = torch.where(is_jittered, position_m + drawn["jitter_m"], position_m)
    return position, rotation.canonical(rotation.normalize(orientation)), kind

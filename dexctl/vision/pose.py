"""Poses as the network gives them: a standardized position and a rotation as 4 or 9 numbers.

A quaternion with w >= 0 jumps to its opposite at half turns, where no network can follow; a matrix
is continuous everywhere, and the mean of uncertain ones points the right way (Levinson et al. 2020).
"""

from __future__ import annotations

import torch
from torch import Tensor

from dexctl import rotation

NUM_POSITION = 3
NUM_ROTATION = {"quaternion": 4, "matrix": 9}


def encode_rotation(quaternion_wxyz: Tensor, kind: str) -> Tensor:
    """Rotations as the numbers that the network is to give.

    Args:
        quaternion_wxyz: (B, 4), unit length.
        kind: ``quaternion`` or ``matrix``.

    Returns:
        (B, 4) with w >= 0, or (B, 9): the rotated axes one after the other.
    """
    if kind == "quaternion":
        return rotation.canonical(quaternion_wxyz)
    axes = torch.eye(3, dtype=quaternion_wxyz.dtype, device=quaternion_wxyz.device)
    turned = rotation.rotate(quaternion_wxyz[:, None, :].expand(-1, 3, -1), axes.expand(len(quaternion_wxyz), 3, 3))
    return turned.flatten(1)


def decode_rotation(numbers: Tensor, kind: str) -> Tensor:
    """What a network gave as unit quaternions (B, 4), w >= 0: the nearest rotation to each."""
    if kind == "quaternion":
        return rotation.canonical(rotation.normalize(numbers))
    # Columns of a rotation matrix are the rotated axes.
    return _from_matrix(_nearest_rotation(numbers.reshape(-1, 3, 3).transpose(1, 2)))


def _nearest_rotation(matrix: Tensor) -> Tensor:
    """(B, 3, 3) by singular values, the least one turned over where it would be a mirror."""
    left, _, right = torch.linalg.svd(matrix.double())
    sign = torch.ones(len(matrix), 3, dtype=left.dtype, device=left.device)
    sign[:, 2] = torch.linalg.det(left @ right).sign()
    return ((left * sign[:, None, :]) @ right).to(matrix.dtype)


def _from_matrix(matrix: Tensor) -> Tensor:
    """(B, 3, 3) rotations to (B, 4): the largest row of q q^T, which is never near zero."""
    a, b, c = matrix[:, 0], matrix[:, 1], matrix[:, 2]
    xx, yy, zz = a[:, 0], b[:, 1], c[:, 2]
    x2, y2, z2 = c[:, 1] - b[:, 2], a[:, 2] - c[:, 0], b[:, 0] - a[:, 1]
    xy, xz, yz = a[:, 1] + b[:, 0], a[:, 2] + c[:, 0], b[:, 2] + c[:, 1]
    rows = torch.stack(
        [
            torch.stack([1 + xx + yy + zz, x2, y2, z2], dim=1),
            torch.stack([x2, 1 + xx - yy - zz, xy, xz], dim=1),
            torch.stack([y2, xy, 1 - xx + yy - zz, yz], dim=1),
            torch.stack([z2, xz, yz, 1 - xx - yy + zz], dim=1),
        ],
        dim=1,
    )
    largest = torch.diagonal(rows, dim1=1, dim2=2).argmax(dim=1)
    return rotation.canonical(rotation.normalize(rows[torch.arange(len(rows)), largest]))

"""Unit quaternions (w, x, y, z) in torch, batched over any leading dimensions."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor


def multiply(a: Tensor, b: Tensor) -> Tensor:
    """Hamilton product: the rotation ``b`` followed by ``a``.

    Args:
        a, b: (..., 4) wxyz.
    """
    aw, ax, ay, az = a.unbind(-1)
    bw, bx, by, bz = b.unbind(-1)
    return torch.stack(
        (
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ),
        dim=-1,
    )


def conjugate(q: Tensor) -> Tensor:
    """The inverse rotation of (..., 4) unit quaternions."""
    return q * q.new_tensor((1.0, -1.0, -1.0, -1.0))


def canonical(q: Tensor) -> Tensor:
    """The one of ``q`` (..., 4) and ``-q`` whose w is not negative; both are the same rotation."""
    return torch.where(q[..., :1] < 0, -q, q)


def normalize(q: Tensor) -> Tensor:
    """(..., 4) scaled to unit length; the zero quaternion becomes the identity."""
    length = torch.linalg.vector_norm(q, dim=-1, keepdim=True)
    identity = q.new_tensor((1.0, 0.0, 0.0, 0.0))
    return torch.where(length > 1e-12, q / length.clamp_min(1e-12), identity)


def difference(goal: Tensor, current: Tensor) -> Tensor:
    """The rotation that takes ``current`` to ``goal``, w >= 0, (..., 4)."""
    return canonical(multiply(goal, conjugate(current)))


def angle(q: Tensor) -> Tensor:
    """Smallest rotation angle of (..., 4) unit quaternions, rad in [0, pi], shape (...).

    By the arc tangent: the arc cosine loses half its digits near zero.
    """
    return 2.0 * torch.atan2(torch.linalg.vector_norm(q[..., 1:], dim=-1), q[..., 0].abs())


def from_rotation_vector(v: Tensor) -> Tensor:
    """(..., 3) axis times angle in rad to (..., 4) wxyz."""
    theta = torch.linalg.vector_norm(v, dim=-1, keepdim=True)
    # sin(theta/2)/theta, whose limit at zero is one half.
    scale = torch.where(theta > 1e-8, torch.sin(0.5 * theta) / theta.clamp_min(1e-8), torch.full_like(theta, 0.5))
    return torch.cat((torch.cos(0.5 * theta), v * scale), dim=-1)


def to_rotation_vector(q: Tensor) -> Tensor:
    """(..., 4) unit quaternions to (..., 3) axis times angle in rad, of length at most pi."""
    q = canonical(q)
    sine = torch.linalg.vector_norm(q[..., 1:], dim=-1, keepdim=True)
    theta = 2.0 * torch.atan2(sine, q[..., :1])
    # theta/sin(theta/2), whose limit at zero is two.
    return q[..., 1:] * torch.where(sine > 1e-12, theta / sine.clamp_min(1e-12), 2.0)


def about_z(yaw: Tensor) -> Tensor:
    """(...) rad to the (..., 4) rotation about the vertical."""
    zero = torch.zeros_like(yaw)
    return torch.stack((torch.cos(0.5 * yaw), zero, zero, torch.sin(0.5 * yaw)), dim=-1)


def uniform(u: Tensor) -> Tensor:
    """Three uniform numbers (..., 3) in [0, 1) to a uniform rotation (Shoemake 1992), (..., 4)."""
    a, b = torch.sqrt(1.0 - u[..., 0]), torch.sqrt(u[..., 0])
    s, t = 2.0 * math.pi * u[..., 1], 2.0 * math.pi * u[..., 2]
    return canonical(torch.stack((b * torch.cos(t), a * torch.sin(s), a * torch.cos(s), b * torch.sin(t)), dim=-1))


def rotate(q: Tensor, v: Tensor) -> Tensor:
    """Vectors (..., 3) turned by unit quaternions (..., 4)."""
    w, u = q[..., :1], q[..., 1:]
    t = 2.0 * torch.linalg.cross(u, v)
    return v + w * t + torch.linalg.cross(u, t)


def matrix(q: Tensor) -> Tensor:
    """The rotation matrices (..., 3, 3) of unit quaternions (..., 4)."""
    axes = torch.eye(3, dtype=q.dtype).expand(*q.shape[:-1], 3, 3)
    return rotate(q.unsqueeze(-2), axes).transpose(-1, -2)


def cubic_harmonic(q: Tensor) -> Tensor:
    """What an orientation is up to a cube's own 24 symmetries: (..., 3, 3) without jumps.

    Entry (i, j) sums r_i^3 r_j over the cube's three axes r, which none of the 24 changes and no other rotation leaves
    alone: these nine numbers determine the rotated cubic harmonic of degree four.
    """
    turned = matrix(q)
    return (turned * turned * turned) @ turned.transpose(-1, -2)


def cube_group(dtype: torch.dtype = torch.float64) -> Tensor:
    """The 24 rotations that map a cube onto itself, (24, 4), w >= 0."""
    return torch.tensor(_cube_group(), dtype=dtype)


@functools.cache
def _cube_group() -> list[list[float]]:
    # Found once: it takes as long as hundreds of simulations do for a step, and goals are drawn in every step.
    half = math.sqrt(0.5)
    quarter = torch.tensor(
        [[1, 0, 0, 0], [half, half, 0, 0], [half, 0, half, 0], [half, 0, 0, half]], dtype=torch.float64
    )
    found = [quarter[0]]
    for known in found:
        for turn in quarter[1:]:
            candidate = canonical(multiply(turn, known))
            if all(float(angle(difference(candidate, other))) > 0.1 for other in found):
                found.append(candidate)
    return torch.stack(found).tolist()

"""Everything a network may see, by name (Table 2), and how it is read from the simulations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dexctl import rotation
from dexctl.errors import ProfileError

_SIZES = {
    # Table 2 of the paper.
    "fingertip_positions": 15,
    "object_position": 3,
    "object_orientation": 4,
    "target_orientation": 4,
    "relative_target_orientation": 4,
    "joint_angles": 24,
    "joint_velocities": 24,
    "object_velocity": 3,
    "object_angular_velocity": 4,
    # Beyond the paper: what the environment itself remembers.
    "action_average": 20,
    "previous_action": 20,
    "time_left": 1,
}


def size(name: str, angular_velocity: str = "quaternion") -> int:
    """Numbers in the observation ``name``.

    Raises:
        ProfileError: there is no such observation.
    """
    if name not in _SIZES:
        raise ProfileError(f"unknown observation '{name}'; known are {', '.join(_SIZES)}")
    if name == "object_angular_velocity" and angular_velocity == "vector":
        return 3
    return _SIZES[name]


def total_size(observe: Sequence[str], angular_velocity: str = "quaternion") -> int:
    """Numbers in a network's whole input."""
    return sum(size(name, angular_velocity) for name in observe)


def concatenate(observations: Mapping[str, Tensor], observe: Sequence[str]) -> Tensor:
    """One network's input: the named observations side by side, (N, size) float32."""
    return torch.cat([observations[name] for name in observe], dim=-1).to(torch.float32)


def marker_frame(base: Tensor) -> tuple[Tensor, Tensor]:
    """The frame that the three markers on the hand's base span, as in robogym.

    Args:
        base: (N, 3, 3) marker positions, world.

    Returns:
        origin (N, 3) and axes (N, 3, 3), rows x, y, z: x from marker 1 to 0, z from 1 to 2 (made
        orthogonal), y completing them.
    """
    origin = base[:, 1]
    x = _unit(base[:, 0] - origin)
    y = _unit(torch.linalg.cross(base[:, 2] - origin, x))
    return origin, torch.stack((x, y, torch.linalg.cross(x, y)), dim=1)


def fingertips_in_frame(tips: Tensor, base: Tensor) -> Tensor:
    """Fingertip markers (N, 5, 3) in the base markers' frame, flattened to (N, 15), m."""
    origin, axes = marker_frame(base)
    return torch.einsum("nij,nfj->nfi", axes, tips - origin[:, None]).flatten(1)


def angular_velocity_quaternion(velocity: Tensor, period_s: float) -> Tensor:
    """Angular velocity (N, 3) rad/s as the rotation of one control period, (N, 4): four numbers as Table 2 prints."""
    return rotation.from_rotation_vector(velocity * period_s)


def _unit(v: Tensor) -> Tensor:
    return v / torch.linalg.vector_norm(v, dim=-1, keepdim=True).clamp_min(1e-9)

"""Everything a network may see, by name (Table 2), and how it is read from the simulations."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dexctl import rotation
from dexctl.errors import ProfileError
from dexctl.profile import schema
from dexctl.scene.anatomy import anatomy


@dataclasses.dataclass(frozen=True)
class Sensed:
    """What is measured of N hands and their objects, in simulation or on a robot; all float64.

    Attributes:
        tips: (N, F, 3) markers of the fingertips; base: (N, 3, 3) of the hand's base; m, world frame.
        joint_angles, joint_velocities: (N, J) rad, rad/s.
        object_position: (N, 3) m, world frame; object_orientation: (N, 4).
        object_velocity: (N, 3) m/s, world frame; object_spin: (N, 3) rad/s, in the object's own frame.
    """

    tips: Tensor
    base: Tensor
    joint_angles: Tensor
    joint_velocities: Tensor
    object_position: Tensor
    object_orientation: Tensor
    object_velocity: Tensor
    object_spin: Tensor


@dataclasses.dataclass(frozen=True)
class Remembered:
    """What the controller of N hands knows without a sensor.

    Attributes:
        goal: (N, 4) orientation asked for; time_left: (N,) share of the time for it.
        action_average, previous_action: (N, A).
    """

    goal: Tensor
    time_left: Tensor
    action_average: Tensor
    previous_action: Tensor


def name_all(
    sensed: Sensed, remembered: Remembered, spawn_m: Tensor, angular_velocity: str, period_s: float
) -> dict[str, Tensor]:
    """Everything that a network may see, by name, each (N, size) float64.

    Args:
        spawn_m: (3,) what the object's position is told from.
        angular_velocity: ``quaternion`` or ``vector``, see ``schema.Task``.
        period_s: of a control step.
    """
    spin = rotation.rotate(sensed.object_orientation, sensed.object_spin)
    if angular_velocity == "quaternion":
        spin = angular_velocity_quaternion(spin, period_s)
    return {
        "fingertip_positions": fingertips_in_frame(sensed.tips, sensed.base),
        "object_position": sensed.object_position - spawn_m,
        "target_orientation": rotation.canonical(remembered.goal),
        **orientations(sensed.object_orientation, remembered.goal),
        "joint_angles": sensed.joint_angles,
        "joint_velocities": sensed.joint_velocities,
        "object_velocity": sensed.object_velocity,
        "object_angular_velocity": spin,
        "action_average": remembered.action_average,
        "previous_action": remembered.previous_action,
        "time_left": remembered.time_left[:, None],
    }


def orientations(orientation: Tensor, goal: Tensor) -> dict[str, Tensor]:
    """What is seen of the object's orientation and of the way to the goal, by name.

    Args:
        orientation, goal: (N, 4) wxyz.
    """
    relative = rotation.difference(goal, orientation)
    return {
        "object_orientation": rotation.canonical(orientation),
        "object_orientation_cube": rotation.cubic_harmonic(orientation).flatten(1),
        "relative_target_orientation": relative,
        "relative_target_matrix": rotation.matrix(relative).flatten(1),
    }


def sizes(profile: schema.Profile) -> dict[str, int]:
    """Numbers in each observation of a profile's hand and task, by name."""
    hand = anatomy(profile.hand)
    return {
        # Table 2 of the paper: 15 and 24 for the Shadow hand.
        "fingertip_positions": 3 * len(hand.fingertip_links),
        "object_position": 3,
        "object_orientation": 4,
        "target_orientation": 4,
        "relative_target_orientation": 4,
        "joint_angles": len(hand.joints),
        "joint_velocities": len(hand.joints),
        "object_velocity": 3,
        "object_angular_velocity": 3 if profile.task.angular_velocity == "vector" else 4,
        # Beyond the paper: what the environment itself remembers.
        "action_average": len(hand.actuators),
        "previous_action": len(hand.actuators),
        "time_left": 1,
        # The orientation without letters, and the way to the goal, both without jumps.
        "object_orientation_cube": 9,
        "relative_target_matrix": 9,
    }


def total_size(observe: Sequence[str], profile: schema.Profile) -> int:
    """Numbers in a network's whole input.

    Raises:
        ProfileError: there is no such observation.
    """
    known = sizes(profile)
    for name in observe:
        if name not in known:
            raise ProfileError(f"unknown observation '{name}'; known are {', '.join(known)}")
    return sum(known[name] for name in observe)


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

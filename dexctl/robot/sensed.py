"""From a robot's reading to what the policy is told, by the very functions of the training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from dexctl import rotation
from dexctl.errors import ProtocolError
from dexctl.reorient.observation import Sensed
from dexctl.robot.protocol import Features, Reading

# How each observation of a policy is had on a robot: the quantities it takes, and what of the robot tells them.
SOURCES: dict[str, tuple[tuple[str, ...], str]] = {
    "fingertip_positions": (("fingertip_markers", "base_markers"), "motion capture of the markers on tips and base"),
    "object_position": (("object_position",), "motion capture of the object, or the cameras"),
    "object_orientation": (("object_orientation",), "motion capture of the object, or the cameras"),
    "target_orientation": ((), "the goal that was announced"),
    "relative_target_orientation": (("object_orientation",), "the goal, and the object's orientation"),
    "joint_angles": (("joint_angles",), "the joints' own sensors"),
    "joint_velocities": (("joint_velocities",), "differences of the joints' own sensors"),
    "object_velocity": (("object_velocity",), "differences of the object's motion capture"),
    "object_angular_velocity": (
        ("object_angular_velocity", "object_orientation"),
        "differences of the object's motion capture",
    ),
    "action_average": ((), "the controller's own memory"),
    "previous_action": ((), "the controller's own memory"),
    "time_left": ((), "the controller's own clock"),
    "object_orientation_cube": (("object_orientation",), "motion capture of the object, or the cameras"),
    "relative_target_matrix": (("object_orientation",), "the goal, and the object's orientation"),
}
_POSE = ("object_position", "object_orientation")


class PoseEstimator(Protocol):
    """Tells the object's pose from pictures.

    Attributes:
        cameras: that take them, in their order; image_px: edge of each.
    """

    cameras: tuple[str, ...]
    image_px: int

    def estimate(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions (B, 3) m and orientations (B, 4) wxyz, world frame, from (B, cameras, H, W, 3) uint8."""
        ...


def check_senses(observe: Sequence[str], features: Features, sees: bool) -> None:
    """Checks that a robot senses what a policy needs.

    Args:
        observe: names of the policy's observations.
        sees: whether the object's pose is estimated from pictures.

    Raises:
        ProtocolError: it does not; names what is missing and how it is had.
    """
    had = {*features.senses, *(_POSE if sees else ())}
    for name in observe:
        needed, source = SOURCES[name]
        missing = [quantity for quantity in needed if quantity not in had]
        if missing:
            raise ProtocolError(
                f"the policy observes {name}, and {features.name} does not sense {', '.join(missing)}",
                f"It is had from {source}; or take a policy that observes less.",
            )
    missing = [quantity for quantity in ("actuator_angles", *_POSE) if quantity not in had]
    if missing:
        raise ProtocolError(
            f"{features.name} does not sense {', '.join(missing)}, without which no goal can be judged",
            "Give --vision a pose estimator, or the robot a motion capture.",
        )


def sensed_of(reading: Reading, features: Features) -> Sensed:
    """A reading as the policy's inputs are made of; what the robot does not sense is zero.

    Returns:
        One row of each.
    """

    def value(name: str) -> Tensor:
        found = reading.values.get(name)
        array = np.zeros(features.shape(name)) if found is None else found
        return torch.from_numpy(np.array(array, np.float64)).unsqueeze(0)

    orientation = value("object_orientation")
    return Sensed(
        tips=value("fingertip_markers"),
        base=value("base_markers"),
        joint_angles=value("joint_angles"),
        joint_velocities=value("joint_velocities"),
        object_position=value("object_position"),
        object_orientation=rotation.normalize(orientation),
        object_velocity=value("object_velocity"),
        object_spin=value("object_angular_velocity"),
    )


def with_estimate(reading: Reading, cameras: Sequence[str], estimator: PoseEstimator) -> Reading:
    """The reading with the object where the pictures show it."""
    pictures = np.stack([reading.images[name] for name in cameras])
    positions, orientations = estimator.estimate(pictures[None])
    seen: Mapping[str, np.ndarray] = {
        "object_position": np.asarray(positions[0], np.float64),
        "object_orientation": np.asarray(orientations[0], np.float64),
        "object_age": np.array([reading.image_age_s]),
    }
    return dataclasses.replace(reading, values={**reading.values, **seen})

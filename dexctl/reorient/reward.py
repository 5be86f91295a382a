"""What a step is worth, by profile: the paper's progress reward and a shaped one."""

from __future__ import annotations

import torch
from torch import Tensor

from dexctl.profile import schema


def reward(
    settings: schema.Reward,
    angle_before: Tensor,
    angle_after: Tensor,
    distance_m: Tensor,
    reached: Tensor,
    dropped: Tensor,
) -> Tensor:
    """Reward of one step.

    ``progress`` (section 4.1): d_t - d_{t+1}. ``shaped`` (IsaacGym and its successors): 1/(d_{t+1} + offset).
    Both add ``distance`` x metres from the palm's centre, and ``goal`` or ``drop``.

    Args:
        angle_before, angle_after: (N,) rad to the goal that held during the step.
        distance_m: (N,) of the object from the palm's centre.
        reached, dropped: (N,) bool.

    Returns:
        (N,) scaled by ``settings.scale``.
    """
    if settings.kind == "progress":
        dense = angle_before - angle_after
    else:
        dense = 1.0 / (angle_after + settings.angle_offset_rad)
    dense = dense + settings.distance * distance_m
    events = settings.goal * reached.to(dense.dtype) + settings.drop * dropped.to(dense.dtype)
    return settings.scale * (dense + events)


def palm_distance(object_position: Tensor, center_m: tuple[float, float, float]) -> Tensor:
    """Distance (N,) of positions (N, 3) from the palm's centre, m."""
    return torch.linalg.vector_norm(object_position - object_position.new_tensor(center_m), dim=-1)

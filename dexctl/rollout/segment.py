"""A segment of experience: T steps of N environments, as arrays that travel."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from dexctl.policy.actor import actor_shape, critic_shape
from dexctl.profile import schema
from dexctl.wire.layout import ArrayLayout, Layout

# T time, N environments, C chunks, A actuators, H size of the policy's LSTM.

Arrays = dict[str, np.ndarray]


def segment_layout(profile: schema.Profile, num_actuators: int) -> Layout:
    """Name, type and shape of each array of a segment.

    ``critic_observation`` has one step more: the state that the segment leaves. ``fresh`` marks the
    steps that start an episode, ``end`` holds an ``End`` for those that finish one, ``goals`` how many
    were reached by then. ``log_probability`` is that of each coordinate of the action. ``hidden`` and
    ``cell`` are the policy's memory at the start of each chunk.
    """
    time, count = profile.rollout.segment_steps, profile.rollout.environments
    actor, critic = actor_shape(profile, num_actuators), critic_shape(profile)
    chunks = time // profile.ppo.chunk_steps
    return Layout(
        time,
        count,
        (
            ArrayLayout("actor_observation", "float32", ("T", "N", actor.inputs)),
            ArrayLayout("critic_observation", "float32", (time + 1, "N", critic.inputs)),
            ArrayLayout("bins", "uint8", ("T", "N", num_actuators)),
            ArrayLayout("log_probability", "float32", ("T", "N", num_actuators)),
            ArrayLayout("reward", "float32", ("T", "N")),
            ArrayLayout("fresh", "bool", ("T", "N")),
            ArrayLayout("end", "uint8", ("T", "N")),
            ArrayLayout("goals", "uint8", ("T", "N")),
            ArrayLayout("hidden", "float32", (chunks, "N", actor.lstm)),
            ArrayLayout("cell", "float32", (chunks, "N", actor.lstm)),
        ),
    )


def empty_segment(layout: Layout, device: torch.device) -> dict[str, Tensor]:
    """Tensors of a segment on a device, not yet filled."""
    return {
        array.name: torch.empty(layout.shape(array), dtype=getattr(torch, array.dtype), device=device)
        for array in layout.arrays
    }


def on_host(segment: Mapping[str, Tensor]) -> Arrays:
    """A segment in the host's memory, as it travels."""
    return {name: tensor.cpu().numpy() for name, tensor in segment.items()}

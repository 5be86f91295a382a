"""A segment of experience: T steps of N environments, as arrays that travel."""

from __future__ import annotations

import numpy as np

from dexctl.policy.actor import actor_shape, critic_shape
from dexctl.profile import schema

# T time, N environments, C chunks, A actuators, H size of the policy's LSTM.

Arrays = dict[str, np.ndarray]


def segment_layout(profile: schema.Profile, num_actuators: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Name, type and shape of each array of a segment.

    ``critic_observation`` has one step more: the state that the segment leaves. ``fresh`` marks the
    steps that start an episode, ``end`` holds an ``End`` for those that finish one, ``goals`` how many
    were reached by then. ``hidden`` and ``cell`` are the policy's memory at the start of each chunk.
    """
    time, count = profile.rollout.segment_steps, profile.rollout.environments
    actor, critic = actor_shape(profile, num_actuators), critic_shape(profile)
    chunks = time // profile.ppo.chunk_steps
    return {
        "actor_observation": ("float32", (time, count, actor.inputs)),
        "critic_observation": ("float32", (time + 1, count, critic.inputs)),
        "bins": ("uint8", (time, count, num_actuators)),
        "log_probability": ("float32", (time, count)),
        "reward": ("float32", (time, count)),
        "fresh": ("bool", (time, count)),
        "end": ("uint8", (time, count)),
        "goals": ("uint8", (time, count)),
        "hidden": ("float32", (chunks, count, actor.lstm)),
        "cell": ("float32", (chunks, count, actor.lstm)),
    }


def empty_segment(profile: schema.Profile, num_actuators: int) -> Arrays:
    """Arrays of a segment, not yet filled."""
    return {name: np.empty(shape, dtype) for name, (dtype, shape) in segment_layout(profile, num_actuators).items()}

"""The policy network with its head over bins, and the critic beside it."""

from __future__ import annotations

import torch
from torch import Tensor

from dexctl.policy import distribution
from dexctl.policy.network import Network, Shape, State
from dexctl.profile import schema
from dexctl.reorient import observation

_ACTOR_OUTPUT_GAIN = 0.01
_CRITIC_OUTPUT_GAIN = 1.0


def actor_shape(profile: schema.Profile, num_actuators: int) -> Shape:
    """Shape of the profile's policy network: a logit for each bin of each actuator."""
    network = profile.policy.actor
    inputs = observation.total_size(network.observe, profile)
    return Shape.of(network, inputs, num_actuators * profile.action.bins, profile.policy.clip_std)


def critic_shape(profile: schema.Profile) -> Shape:
    """Shape of the profile's value network: one number."""
    network = profile.policy.critic
    inputs = observation.total_size(network.observe, profile)
    return Shape.of(network, inputs, 1, profile.policy.clip_std)


class Actor(Network):
    """The policy: observations to a categorical for each actuator."""

    def __init__(self, profile: schema.Profile, num_actuators: int, seed: int = 0) -> None:
        super().__init__(actor_shape(profile, num_actuators), _ACTOR_OUTPUT_GAIN, seed)
        self.num_actuators, self.num_bins = num_actuators, profile.action.bins
        bias = distribution.gaussian_logits(self.num_bins, profile.policy.initial_std)
        with torch.no_grad():
            self.head.bias.copy_(bias.repeat(num_actuators))

    def logits(self, observations: Tensor, state: State, fresh: Tensor | None = None) -> tuple[Tensor, State]:
        """As ``forward``, with the bins apart: (T, B, A, K) and the state after."""
        output, state = self(observations, state, fresh)
        return output.unflatten(-1, (self.num_actuators, self.num_bins)), state

    @torch.inference_mode()
    def act(self, observations: Tensor, state: State, uniform: Tensor) -> tuple[Tensor, Tensor, State]:
        """Samples one action for each row.

        Args:
            observations: (B, D).
            uniform: (B, A) in [0, 1), what the sampling draws from.

        Returns:
            bins (B, A) int64, log-probability of each coordinate (B, A), state after.
        """
        logits, state = self.logits(observations.unsqueeze(0), state)
        bins, log_probability = distribution.sample(logits[0], uniform)
        return bins, log_probability, state


class Critic(Network):
    """The value function; its output is normalized by the running statistics of its targets."""

    def __init__(self, profile: schema.Profile, seed: int = 1) -> None:
        super().__init__(critic_shape(profile), _CRITIC_OUTPUT_GAIN, seed)

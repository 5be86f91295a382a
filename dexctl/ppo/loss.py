"""The two losses of PPO (appendix A.3), as functions of tensors."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from dexctl.policy import distribution

# B chunks, L steps, A actuators, K bins; means are over B and L.


@dataclasses.dataclass(frozen=True)
class PolicyLoss:
    """The policy's loss and what is worth watching of it; all scalars."""

    loss: Tensor
    entropy: Tensor
    kl: Tensor
    clip_share: Tensor


def policy_loss(
    logits: Tensor, bins: Tensor, old_log_probability: Tensor, advantage: Tensor, clip: float, entropy_weight: float
) -> PolicyLoss:
    """The clipped surrogate with an entropy bonus.

    The ratio is that of the joint probability, the product over the action's coordinates, and the
    entropy the sum over them.

    Args:
        logits: (..., A, K).
        bins: (..., A) int64.
        old_log_probability, advantage: (...); the advantage already normalized.
    """
    log_probability = torch.log_softmax(logits, dim=-1)
    log_ratio = distribution.joint_log_probability(log_probability, bins) - old_log_probability
    ratio = log_ratio.exp()
    surrogate = torch.minimum(ratio * advantage, ratio.clamp(1.0 - clip, 1.0 + clip) * advantage)
    entropy = distribution.entropy(log_probability).mean()
    with torch.no_grad():
        # Schulman's low-variance estimate of the divergence, never negative.
        kl = (ratio - 1.0 - log_ratio).mean()
        clip_share = ((ratio - 1.0).abs() > clip).float().mean()
    return PolicyLoss(-surrogate.mean() - entropy_weight * entropy, entropy.detach(), kl, clip_share)


def value_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Half the mean squared error; both (...), in the critic's normalized units."""
    return 0.5 * (predicted - target).square().mean()


def normalized(advantage: Tensor) -> Tensor:
    """Zero mean and unit standard deviation over a minibatch (appendix D.1)."""
    return (advantage - advantage.mean()) / advantage.std().clamp_min(1e-8)

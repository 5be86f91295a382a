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
    logits: Tensor,
    bins: Tensor,
    old_log_probability: Tensor,
    advantage: Tensor,
    clip: float,
    entropy_weight: float,
    ratio_of: str = "joint",
) -> PolicyLoss:
    """The clipped surrogate with an entropy bonus, the entropy summed over the action's coordinates.

    Args:
        logits: (..., A, K).
        bins: (..., A) int64.
        old_log_probability: (..., A), of each coordinate.
        advantage: (...), already normalized.
        ratio_of: ``joint`` clips the ratio of the joint probability, the product over the coordinates;
            ``coordinate`` clips each coordinate's own and sums (Han and Sung 2019). Both have the same
            gradient where nothing is clipped and the policy is still the old one.
    """
    log_probability = torch.log_softmax(logits, dim=-1)
    by_coordinate = distribution.log_probability_of(log_probability, bins) - old_log_probability
    joint = by_coordinate.sum(dim=-1)
    if ratio_of == "joint":
        ratio = joint.exp()
        surrogate = _clipped(ratio, advantage, clip).mean()
    else:
        ratio = by_coordinate.exp()
        surrogate = _clipped(ratio, advantage.unsqueeze(-1), clip).sum(dim=-1).mean()
    entropy = distribution.entropy(log_probability).mean()
    with torch.no_grad():
        # Schulman's low-variance estimate of the divergence, never negative.
        kl = (joint.exp() - 1.0 - joint).mean()
        clip_share = ((ratio - 1.0).abs() > clip).float().mean()
    return PolicyLoss(-surrogate - entropy_weight * entropy, entropy.detach(), kl, clip_share)


def _clipped(ratio: Tensor, advantage: Tensor, clip: float) -> Tensor:
    return torch.minimum(ratio * advantage, ratio.clamp(1.0 - clip, 1.0 + clip) * advantage)


def value_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Half the mean squared error; both (...), in the critic's normalized units."""
    return 0.5 * (predicted - target).square().mean()


def normalized(advantage: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Zero mean and unit standard deviation over the minibatch that ``mean`` and ``std`` are of (appendix D.1)."""
    # Of the minibatch itself, not of what it was drawn from: so it is zero, and not NaN, for a single transition.
    return (advantage - mean) / std.clamp_min(1e-8)

"""The policy's distribution: one categorical over bins for each coordinate of the action (appendix D.1)."""

from __future__ import annotations

import torch
from torch import Tensor

# N rows, A actuators, K bins.


def sample(logits: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Draws an action by inverting the cumulative distribution.

    Args:
        logits: (N, A, K).
        uniform: (N, A) in [0, 1).

    Returns:
        bins (N, A) int64 and the log-probability of each coordinate (N, A).
    """
    log_probability = torch.log_softmax(logits, dim=-1)
    cumulative = log_probability.exp().cumsum(dim=-1)
    # The last sum may fall short of one by rounding; the draw is scaled to it.
    threshold = uniform.to(cumulative.dtype).unsqueeze(-1) * cumulative[..., -1:]
    bins = (cumulative <= threshold).sum(dim=-1).clamp_max(logits.shape[-1] - 1)
    return bins, log_probability_of(log_probability, bins)


def greedy(logits: Tensor) -> Tensor:
    """The most likely bin of each coordinate, (N, A, K) to (N, A)."""
    return logits.argmax(dim=-1)


def log_probability_of(log_probability: Tensor, bins: Tensor) -> Tensor:
    """Log-probability of ``bins`` (..., A), coordinate by coordinate (..., A), from (..., A, K)."""
    return log_probability.gather(-1, bins.unsqueeze(-1)).squeeze(-1)


def entropy(log_probability: Tensor) -> Tensor:
    """Entropy summed over coordinates, (..., A, K) normalized log-probabilities to (...)."""
    return -(log_probability.exp() * log_probability).sum(dim=(-2, -1))


def gaussian_logits(num_bins: int, std: float) -> Tensor:
    """(K,) logits of a zero-mean Gaussian over the bins of [-1, 1]; zeros for ``std`` 0, the uniform."""
    if std == 0.0:
        return torch.zeros(num_bins)
    values = torch.linspace(-1.0, 1.0, num_bins)
    return -0.5 * (values / std).square()

"""Numbers drawn from what a profile says, each a function of its key alone."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dexctl import randomness
from dexctl.profile.distribution import Distribution, Value


def draw(value: Value, key: Tensor, count: int) -> Tensor:
    """Draws numbers.

    Args:
        value: a number, which stands for itself, or a distribution.
        key: (N,) int64; other keys give independent numbers.
        count: how many for each key.

    Returns:
        (N, count) float64.
    """
    if not isinstance(value, Distribution):
        return torch.full((len(key), count), value, dtype=torch.float64, device=key.device)
    if value.normal is not None:
        mean, std = value.normal
        return mean + std * randomness.normal(key, count)
    u = randomness.uniform(key, count)
    if value.uniform is not None:
        low, high = value.uniform
        return low + (high - low) * u
    if value.loguniform is not None:
        low, high = map(math.log, value.loguniform)
        return torch.exp(low + (high - low) * u)
    assert value.exponential is not None
    return -value.exponential * torch.log1p(-u)


def draws_nothing(value: Value, neutral: float) -> bool:
    """Whether a value is the number that changes nothing."""
    return value == neutral

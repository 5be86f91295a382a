"""Running mean and standard deviation over all data so far (appendix D.1)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

_MINIMUM_STD = 1e-4


class Statistics(NamedTuple):
    """Of rows of D numbers: mean (D,), variance (D,), and how many rows there were."""

    mean: Tensor
    variance: Tensor
    num_rows: float


def statistics_of(x: Tensor) -> Statistics:
    """Of data (..., D)."""
    rows = x.reshape(-1, x.shape[-1])
    variance, mean = torch.var_mean(rows, dim=0, correction=0)
    return Statistics(mean, variance, float(len(rows)))


class RunningNormalization(nn.Module):
    """(x - mean) / std, clipped; the statistics are buffers, updated by hand and saved with the weights."""

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, size: int, clip_std: float) -> None:
        super().__init__()
        self.clip_std = clip_std
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("variance", torch.ones(size))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    @property
    def std(self) -> Tensor:
        """(D,) standard deviation, never zero."""
        return self.variance.sqrt().clamp_min(_MINIMUM_STD)

    def forward(self, x: Tensor) -> Tensor:
        """Normalizes (..., D)."""
        return ((x - self.mean) / self.std).clamp(-self.clip_std, self.clip_std)

    def inverse(self, x: Tensor) -> Tensor:
        """From normalized numbers back to the data's own, (..., D)."""
        return x * self.std + self.mean

    @torch.no_grad()
    def update(self, x: Tensor) -> None:
        """Takes more data (..., D) into the statistics (Chan's parallel update)."""
        self.merge(*statistics_of(x))

    @torch.no_grad()
    def merge(self, mean: Tensor, variance: Tensor, num_rows: float) -> None:
        """Takes in ``num_rows`` more rows by their ``mean`` (D,) and ``variance`` (D,), which may lie on any device."""
        mean, variance = mean.to(self.mean.device), variance.to(self.mean.device)
        total = self.count + num_rows
        share = (num_rows / total).to(self.mean.dtype)
        delta = mean - self.mean
        self.mean += delta * share
        self.variance.copy_(self.variance * (1 - share) + variance * share + delta.square() * share * (1 - share))
        self.count.copy_(total)

"""Numbers drawn from what a profile says, each a function of its key alone."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dexctl import randomness
from dexctl.profile.distribution import Distribution, Value

UNIT = Distribution(uniform=(0.0, 1.0))


class Draws:
    """Values that are drawn together, from one named stream.

    Each has columns of its own, whatever kind the others are of: to replace one distribution by
    another or by a number leaves the draws of all others as they are.
    """

    def __init__(self, stream: str, **values: tuple[Value, int]) -> None:
        """Takes the values.

        Args:
            stream: two sets of draws from one key need two names.
            values: by name, a number or a distribution and how many numbers of it.
        """
        self._values = values
        self._total = sum(count for _, count in values.values())
        kinds = [value for value, _ in values.values() if isinstance(value, Distribution)]
        self._has_normal = any(kind.normal is not None for kind in kinds)
        self._has_others = any(kind.normal is None for kind in kinds)
        self._uniform_stream = randomness.stream(stream)
        self._normal_stream = randomness.stream(f"{stream}.normal")

    def __call__(self, key: Tensor, *words: Tensor) -> dict[str, Tensor]:
        """Draws each value once.

        Args:
            key: (N,) int64; other keys give independent numbers.
            words: (N,) int64 each, such as a step; other words give independent numbers.

        Returns:
            By name, (N, count) float64.
        """
        uniform = normal = key.new_empty((len(key), 0), dtype=torch.float64)
        if self._has_others:
            uniform = randomness.uniform(randomness.derive(key, self._uniform_stream, *words), self._total)
        if self._has_normal:
            normal = randomness.normal(randomness.derive(key, self._normal_stream, *words), self._total)
        drawn, start = {}, 0
        for name, (value, count) in self._values.items():
            columns = slice(start, start + count)
            drawn[name] = _drawn(value, uniform[:, columns], normal[:, columns], (len(key), count))
            start += count
        return drawn


def _drawn(value: Value, uniform: Tensor, normal: Tensor, shape: tuple[int, int]) -> Tensor:
    if not isinstance(value, Distribution):
        return uniform.new_full(shape, value)
    if value.normal is not None:
        mean, std = value.normal
        return mean + std * normal
    if value.uniform is not None:
        low, high = value.uniform
        return low + (high - low) * uniform
    if value.loguniform is not None:
        low, high = map(math.log, value.loguniform)
        return torch.exp(low + (high - low) * uniform)
    assert value.exponential is not None
    return -value.exponential * torch.log1p(-uniform)

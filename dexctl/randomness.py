"""Random numbers without a state: each is a function of (key, stream, counter, index).

A simulation's draws depend on its own key and clock alone, so a trial is the same whatever runs
beside it, in whatever batch, on however many threads or devices. The mixing function is the
finalizer of SplitMix64 (Steele, Lea, Flood 2014), which passes the usual batteries when counted.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed word
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB
_MASK_53 = (1 << 53) - 1


def _mix(z: Tensor) -> Tensor:
    """Mixes the words of a tensor that nobody else holds, in place: half the time of doing it with copies."""
    # torch's shift of signed words copies the sign, so it is masked off.
    z.bitwise_xor_((z >> 30).bitwise_and_((1 << 34) - 1)).mul_(_MIX_1)
    z.bitwise_xor_((z >> 27).bitwise_and_((1 << 37) - 1)).mul_(_MIX_2)
    return z.bitwise_xor_((z >> 31).bitwise_and_((1 << 33) - 1))


def derive(key: Tensor, *values: int | Tensor) -> Tensor:
    """New keys from old ones and any number of integers.

    Args:
        key: (N,) int64.
        values: each an integer or an (N,) int64 tensor.

    Returns:
        (N,) int64; other values or another order give unrelated keys.
    """
    for value in values:
        step = (value + 1) * _GOLDEN
        key = _mix(key + (step if isinstance(step, Tensor) else _signed(step)))
    return key


def _signed(value: int) -> int:
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def key(*values: int) -> Tensor:
    """One key, shape (1,), from integers such as a seed and an index."""
    return derive(torch.zeros(1, dtype=torch.int64), *values)


def stream(name: str) -> int:
    """A number for a named stream of draws, so that two effects never share theirs."""
    value = 0
    for byte in name.encode():
        value = (value * 257 + byte) % ((1 << 61) - 1)
    return value


# Trial i of a seed is the same in an evaluation, in what is shown and on a robot: its goals, its draws.
TRIAL = stream("evaluate.trial")


def uniform(key: Tensor, count: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Uniform numbers in [0, 1).

    Args:
        key: (N,) int64.
        count: how many for each key.

    Returns:
        (N, count).
    """
    drawn = uniform_at(key[:, None], torch.arange(count, device=key.device))
    if dtype == torch.float64:
        return drawn
    # A shorter type rounds what is nearest to one up to one.
    return drawn.to(dtype).clamp_max_(1.0 - 0.5 * torch.finfo(dtype).eps)


def uniform_at(key: Tensor, index: Tensor) -> Tensor:
    """Some of the uniform numbers that keys give.

    Args:
        key: (N, C) int64, or (N, 1).
        index: (C,) int64, which of each key's numbers.

    Returns:
        (N, C) float64 in [0, 1).
    """
    bits = _mix(key + (index + 1) * _GOLDEN)
    bits.bitwise_right_shift_(11).bitwise_and_(_MASK_53)
    return bits.to(torch.float64).mul_(1.0 / (1 << 53))


def normal(key: Tensor, count: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Standard normal numbers, (N, count)."""
    half = (count + 1) // 2
    drawn = uniform(key, 2 * half)
    return box_muller(drawn[:, :half], drawn[:, half:])[:, :count].to(dtype)


def box_muller(first: Tensor, second: Tensor) -> Tensor:
    """Two sets of uniform numbers (N, P) each to as many standard normal ones, (N, 2 P), by Box and Muller."""
    radius = torch.sqrt(-2.0 * torch.log1p(-first))
    turn = 2.0 * math.pi * second
    return torch.cat((radius * torch.cos(turn), radius * torch.sin(turn)), dim=1)

"""Who chooses actions: a trained policy, or one of the baselines it is measured against."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from dexctl import randomness
from dexctl.policy import distribution
from dexctl.policy.actor import Actor
from dexctl.policy.network import State

# Rows of one forward pass. Matrix products round differently for different numbers of rows; with a
# fixed number, padded, a trial's actions do not depend on how many others run beside it.
_TILE = 32

_SAMPLE = randomness.stream("policy.sample")


def sampling_noise(key: Tensor, steps: Tensor, num_actuators: int) -> Tensor:
    """The uniform numbers (n, A) that a step's actions are drawn with.

    Args:
        key: (n,) of each episode.
        steps: (n,) taken in it so far.
    """
    return randomness.uniform(randomness.derive(key, _SAMPLE, steps), num_actuators, torch.float32)


class Chooser(Protocol):
    """Chooses bins for rows of observations, and carries a memory for each row."""

    observe: tuple[str, ...]

    def reset(self, ids: Tensor) -> None:
        """Empties the memory of rows ``ids`` (n,)."""
        ...

    def choose(self, observations: Tensor, uniform: Tensor, ids: Tensor) -> Tensor:
        """Bins (n, A) for observations (n, D) of rows ``ids``, sampled with uniform numbers (n, A)."""
        ...


class PolicyChooser:
    """A policy, acting in tiles of a fixed size on one thread, so that every row is exactly repeatable."""

    def __init__(self, actor: Actor, observe: tuple[str, ...], rows: int, greedy: bool) -> None:
        """Args: rows: how many memories to carry; greedy: the likeliest bins in place of sampled ones."""
        self.observe = observe
        self._actor, self._greedy = actor, greedy
        self._hidden, self._cell = actor.initial_state(rows)

    def reset(self, ids: Tensor) -> None:
        """Empties the memory of rows ``ids`` (n,)."""
        self._hidden[ids] = 0.0
        self._cell[ids] = 0.0

    @torch.inference_mode()
    def choose(self, observations: Tensor, uniform: Tensor, ids: Tensor) -> Tensor:
        """Bins (n, A) for observations (n, D) of rows ``ids``; see ``Chooser.choose``."""
        chosen = []
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            for start in range(0, len(ids), _TILE):
                part = slice(start, start + _TILE)
                chosen.append(self._tile(observations[part], uniform[part], ids[part]))
        finally:
            torch.set_num_threads(threads)
        return torch.cat(chosen)

    def _tile(self, observations: Tensor, uniform: Tensor, ids: Tensor) -> Tensor:
        count = len(ids)
        state: State = (_padded(self._hidden[ids]), _padded(self._cell[ids]))
        logits, (hidden, cell) = self._actor.logits(_padded(observations).unsqueeze(0), state)
        self._hidden[ids], self._cell[ids] = hidden[:count], cell[:count]
        if self._greedy:
            return distribution.greedy(logits[0, :count])
        return distribution.sample(logits[0], _padded(uniform))[0][:count]


class RandomChooser:
    """Uniformly random bins."""

    observe: tuple[str, ...] = ()

    def __init__(self, num_bins: int) -> None:
        self._num_bins = num_bins

    def reset(self, ids: Tensor) -> None:
        """There is no memory to empty."""

    def choose(self, observations: Tensor, uniform: Tensor, ids: Tensor) -> Tensor:
        """Bins (n, A), each equally likely."""
        return (uniform * self._num_bins).long().clamp_max(self._num_bins - 1)


class ZeroChooser(RandomChooser):
    """Always the middle bin: every joint is told to stay where it is."""

    def choose(self, observations: Tensor, uniform: Tensor, ids: Tensor) -> Tensor:
        """The middle bin everywhere, (n, A)."""
        return torch.full(uniform.shape, self._num_bins // 2, dtype=torch.int64)


def _padded(rows: Tensor) -> Tensor:
    if len(rows) == _TILE:
        return rows
    return torch.cat((rows, rows.new_zeros(_TILE - len(rows), *rows.shape[1:])))

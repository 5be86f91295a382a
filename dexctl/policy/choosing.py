"""Who chooses actions: a trained policy, or one of the baselines it is measured against."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from dexctl import randomness
from dexctl.errors import DataError
from dexctl.policy import distribution
from dexctl.policy.actor import Actor
from dexctl.policy.network import State

# Rows of one forward pass. Matrix products round differently for different numbers of rows; with a
# fixed number, padded, a trial's actions do not depend on how many others run beside it.
_TILE = 32
# Narrower passes, each half its follower, taken for few rows where this machine rounds in them as in a full tile:
# the paper's LSTM takes half the time so, and one row is what a robot waits for.
_NARROW = (4, 8, 16)

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
    """A policy, acting in tiles that round alike on one thread, so that every row is exactly repeatable."""

    def __init__(self, actor: Actor, observe: tuple[str, ...], rows: int, greedy: bool) -> None:
        """Args: rows: how many memories to carry; greedy: the likeliest bins in place of sampled ones."""
        self.observe = observe
        # Beside the simulations, which may be on a GPU.
        self._actor, self._greedy = actor.to(torch.get_default_device()), greedy
        self._hidden, self._cell = actor.initial_state(rows)
        with _one_thread():
            self._widths = exact_widths(actor)

    def reset(self, ids: Tensor) -> None:
        """Empties the memory of rows ``ids`` (n,)."""
        self._hidden[ids] = 0.0
        self._cell[ids] = 0.0

    @torch.inference_mode()
    def choose(self, observations: Tensor, uniform: Tensor, ids: Tensor) -> Tensor:
        """Bins (n, A) for observations (n, D) of rows ``ids``; see ``Chooser.choose``.

        Raises:
            DataError: the network gives a number that is not finite, which no bin stands for.
        """
        chosen = []
        with _one_thread():
            for start in range(0, len(ids), _TILE):
                part = slice(start, start + _TILE)
                chosen.append(self._tile(observations[part], uniform[part], ids[part]))
        return torch.cat(chosen)

    def _tile(self, observations: Tensor, uniform: Tensor, ids: Tensor) -> Tensor:
        count = len(ids)
        width = next(width for width in self._widths if width >= count)
        state: State = (_padded(self._hidden[ids], width), _padded(self._cell[ids], width))
        logits, (hidden, cell) = self._actor.logits(_padded(observations, width).unsqueeze(0), state)
        if not bool(torch.isfinite(logits[0, :count]).all()):
            raise DataError("the policy gives numbers that are not finite", "Take an earlier checkpoint.")
        self._hidden[ids], self._cell[ids] = hidden[:count], cell[:count]
        if self._greedy:
            return distribution.greedy(logits[0, :count])
        return distribution.sample(logits[0], _padded(uniform, width))[0][:count]


def exact_widths(actor: Actor) -> tuple[int, ...]:
    """Numbers of rows of a forward pass that give each row, to the bit, what a full tile gives it; a full one last.

    How a product rounds depends on its size and on the machine, never on the numbers: rows drawn at random show it.
    """
    generator, device = torch.Generator().manual_seed(0), actor.head.weight.device
    with torch.device("cpu"):
        rows = torch.randn(_TILE, actor.shape.inputs, generator=generator)
        hidden, cell = (torch.rand(_TILE, actor.shape.lstm, generator=generator) * 2 - 1 for _ in range(2))
        uniform = torch.rand(_TILE, actor.num_actuators, generator=generator)
    rows, hidden, cell, uniform = (numbers.to(device) for numbers in (rows, hidden, cell, uniform))
    observations = actor.normalization.inverse(rows)

    def act(part: slice) -> tuple[Tensor, ...]:
        bins, log_probability, state = actor.act(observations[part], (hidden[part], cell[part]), uniform[part])
        return bins, log_probability, *state

    whole = act(slice(None))

    def exact(width: int) -> bool:
        parts = [slice(start, start + width) for start in range(0, _TILE, width)]
        return all(
            torch.equal(one, all_rows[part]) for part in parts for one, all_rows in zip(act(part), whole, strict=True)
        )

    return (*filter(exact, _NARROW), _TILE)


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


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _padded(rows: Tensor, width: int) -> Tensor:
    if len(rows) == width:
        return rows
    return torch.cat((rows, rows.new_zeros(width - len(rows), *rows.shape[1:])))

"""Numbers drawn from what a profile says, each a function of its key alone."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dexctl import randomness
from dexctl.profile.distribution import Distribution, Value

UNIT = Distribution(uniform=(0.0, 1.0))

# Numbers (N, count) of each value, by its name.
Drawn = Mapping[str, Tensor]

# N keys.


class Draws:
    """Values that are drawn together, from one named stream.

    Each has columns of its own, whatever kind the others are of: to replace one distribution by
    another or by a number leaves the draws of all others as they are.

    Attributes:
        stream: its name; two sets of draws from one key need two names.
        values: by name, a number or a distribution and how many numbers of it.
    """

    def __init__(self, stream: str, **values: tuple[Value, int]) -> None:
        """Takes the attributes."""
        self.stream = stream
        self.values = values
        self._together = Together([self])

    def __call__(self, key: Tensor, *words: Tensor) -> dict[str, Tensor]:
        """Draws each value once; see ``Together``."""
        return self._together(key, *words)[0]


class Together:
    """Several sets of draws at once, in about the time of one, and to the last bit what each gives alone.

    With a few hundred keys, time goes into how many tensor operations there are, not how large they are.
    """

    def __init__(self, draws: Sequence[Draws]) -> None:
        """Lays out a column for each number, kind by kind, and the random words that these are made of."""
        columns = sorted((column for one in draws for column in _columns(one)), key=lambda column: column.kind)
        self._slices = [
            {name: _slice(columns, (one.stream, name), count) for name, (_, count) in one.values.items()}
            for one in draws
        ]
        self._scale = torch.tensor([column.scale for column in columns], dtype=torch.float64)
        self._shift = torch.tensor([column.shift for column in columns], dtype=torch.float64)
        count = {kind: sum(column.kind is kind for column in columns) for kind in _Kind}
        linear = count[_Kind.UNIFORM] + count[_Kind.LOGUNIFORM]
        self._logarithmic = slice(count[_Kind.UNIFORM], linear)
        self._fixed = count[_Kind.FIXED]

        normal = [column for column in columns if column.kind is _Kind.NORMAL]
        pairs = {pair: place for place, pair in enumerate(dict.fromkeys(column.words for column in normal))}
        self._normal = torch.tensor(
            [pairs[column.words] + column.is_sine * len(pairs) for column in normal], dtype=torch.int64
        )
        self._parts = [linear, count[_Kind.EXPONENTIAL], len(pairs), len(pairs)]
        words = [column.words[0] for column in columns if column.kind < _Kind.NORMAL]
        words += [first for first, _ in pairs] + [second for _, second in pairs]
        streams = {name: place for place, name in enumerate(dict.fromkeys(stream for stream, _ in words))}
        self._streams = torch.tensor([randomness.stream(name) for name in streams], dtype=torch.int64)
        self._stream_of = torch.tensor([streams[stream] for stream, _ in words], dtype=torch.int64)
        self._index = torch.tensor([index for _, index in words], dtype=torch.int64)

    def __call__(self, key: Tensor, *words: Tensor) -> list[dict[str, Tensor]]:
        """Draws each value once.

        Args:
            key: (N,) int64; other keys give independent numbers.
            words: (N,) int64 each, such as a step; other words give independent numbers.

        Returns:
            For each of the draws, by name, (N, count) float64.
        """
        if not self._slices:
            return []
        keys = randomness.derive(key[:, None], self._streams, *(word[:, None] for word in words))
        uniform = randomness.uniform_at(keys[:, self._stream_of], self._index)
        linear, exponential, radius, turn = uniform.split(self._parts, dim=1)
        numbers = torch.cat(
            (
                linear,
                torch.log1p(-exponential),
                randomness.box_muller(radius, turn)[:, self._normal],
                uniform.new_zeros(len(key), self._fixed),
            ),
            dim=1,
        )
        numbers.mul_(self._scale).add_(self._shift)
        numbers[:, self._logarithmic].exp_()
        return [{name: numbers[:, at] for name, at in slices.items()} for slices in self._slices]


class _Kind(enum.IntEnum):
    """What a column is drawn from, in the order of the columns."""

    UNIFORM = 0
    LOGUNIFORM = 1
    EXPONENTIAL = 2
    NORMAL = 3
    FIXED = 4


class _Column(NamedTuple):
    """One number of a value.

    Attributes:
        value: its stream and name.
        scale, shift: from what all of a kind have in common to what the profile says.
        words: stream and index of each random word that it takes.
        is_sine: of the two normal numbers that a pair of words gives, the second.
    """

    kind: _Kind
    value: tuple[str, str]
    scale: float
    shift: float
    words: tuple[tuple[str, int], ...]
    is_sine: bool


def _columns(draws: Draws) -> Iterator[_Column]:
    half = (sum(count for _, count in draws.values.values()) + 1) // 2
    number = 0
    for name, (value, count) in draws.values.items():
        kind, scale, shift = _form(value)
        stream = f"{draws.stream}.normal" if kind is _Kind.NORMAL else draws.stream
        for index in range(number, number + count):
            places = {_Kind.NORMAL: (index % half, half + index % half), _Kind.FIXED: ()}.get(kind, (index,))
            words = tuple((stream, place) for place in places)
            yield _Column(kind, (draws.stream, name), scale, shift, words, index >= half)
        number += count


def _slice(columns: Sequence[_Column], value: tuple[str, str], count: int) -> slice:
    """Where the columns of a value are; they follow each other."""
    first = next((place for place, column in enumerate(columns) if column.value == value), 0)
    return slice(first, first + count)


def _form(value: Value) -> tuple[_Kind, float, float]:
    """Kind, scale and shift of a value's columns."""
    if not isinstance(value, Distribution):
        return _Kind.FIXED, 0.0, value
    if value.normal is not None:
        mean, std = value.normal
        return _Kind.NORMAL, std, mean
    if value.uniform is not None:
        low, high = value.uniform
        return _Kind.UNIFORM, high - low, low
    if value.loguniform is not None:
        low, high = map(math.log, value.loguniform)
        return _Kind.LOGUNIFORM, high - low, low
    assert value.exponential is not None
    return _Kind.EXPONENTIAL, -value.exponential, 0.0

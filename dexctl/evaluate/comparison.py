"""How sure a comparison is: intervals by the bootstrap, and a paired test over trials with common seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np

# Chosen: the ends of an interval wander by a hundredth of its width from one draw to another.
_DRAWS = 10_000
LEVEL = 0.95

# T trials, R draws.


@dataclasses.dataclass(frozen=True)
class Difference:
    """One policy less another, over the trials that both have.

    Attributes:
        mean: of the paired differences; interval: of that mean.
        p: two-sided, of the hypothesis that the sign of each difference is chance.
        trials: pairs that were counted.
        verdict: of ``decide``.
    """

    mean: float
    interval: tuple[float, float]
    p: float
    trials: int
    verdict: Literal["more", "fewer", "undecided"] = "undecided"


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Percentile interval of the mean by the bootstrap, the same for the same values; None for fewer than two."""
    if len(values) < 2:
        return None
    values_T = np.asarray(values, np.float64)
    picked_RT = np.random.default_rng(0).integers(len(values_T), size=(_DRAWS, len(values_T)))
    low, high = np.quantile(values_T[picked_RT].mean(axis=1), ((1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0))
    return float(low), float(high)


def difference(first: Sequence[float | None], second: Sequence[float | None]) -> Difference | None:
    """The first less the second, trial by trial.

    Args:
        first, second: by trial; None where a trial has no score, which leaves the pair out.

    Returns:
        With the verdict still open; None for fewer than two pairs.
    """
    pairs = [(a, b) for a, b in zip(first, second, strict=False) if a is not None and b is not None]
    apart_T = np.array([a - b for a, b in pairs], np.float64)
    bounds = interval(apart_T.tolist())
    if bounds is None:
        return None
    signs_RT = np.random.default_rng(1).integers(2, size=(_DRAWS, len(apart_T))) * 2 - 1
    chance_R = np.abs(signs_RT @ apart_T)
    # What was seen is one of the possible draws, so p is never zero.
    extreme = int((chance_R >= abs(apart_T.sum()) - 1e-9).sum())
    return Difference(float(apart_T.mean()), bounds, (extreme + 1) / (_DRAWS + 1), len(apart_T))


def decide(differences: Sequence[Difference]) -> list[Difference]:
    """Says of each which way it goes, or that it is undecided, as one family of tests (Holm 1979).

    The chance that any of them is called wrongly is at most one in twenty.
    """
    order = sorted(range(len(differences)), key=lambda index: differences[index].p)
    decided = list(differences)
    for rank, index in enumerate(order):
        one = differences[index]
        if one.p * (len(differences) - rank) > 1.0 - LEVEL:
            break
        decided[index] = dataclasses.replace(one, verdict="more" if one.mean > 0 else "fewer")
    return decided

"""What was drawn of one randomized quantity, beside what a profile says of it."""

from __future__ import annotations

import dataclasses
from typing import Literal

from torch import Tensor

from dexctl.profile.distribution import Value

# n times that it was drawn, K numbers each time.


@dataclasses.dataclass(frozen=True)
class Sampled:
    """One randomized quantity.

    Attributes:
        key: of the profile.
        per: how often it is drawn.
        each: what has a number of its own; empty where there is one.
        unit: empty for plain factors.
        stated: what the profile says of the numbers in ``drawn``; of chances, the probability; of
            whole numbers that are all as likely, the least and the most.
        chance: the numbers say whether it happened, 1 or 0: their mean is to be compared.
        drawn: (n, K) float64.
    """

    key: str
    per: Literal["episode", "step", "push", "loss", "picture"]
    each: str
    unit: str
    stated: Value | tuple[int, int]
    drawn: Tensor
    chance: bool = False

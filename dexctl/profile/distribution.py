"""A value of a profile that is a number, or a distribution that numbers are drawn from.

One grammar, one parser: ``1.0``, ``{uniform = [a, b]}``, ``{loguniform = [a, b]}``,
``{normal = [mean, std]}``, ``{exponential = mean}``.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeGuard, get_args

import msgspec

KINDS = ("uniform", "loguniform", "normal", "exponential")


class Distribution(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Exactly one of these is given.

    Attributes:
        uniform: lower and upper end.
        loguniform: lower and upper end, both > 0; the logarithm is uniform.
        normal: mean and standard deviation.
        exponential: mean.
    """

    uniform: tuple[float, float] | None = None
    loguniform: tuple[float, float] | None = None
    normal: tuple[float, float] | None = None
    exponential: float | None = None


Value = float | Distribution


class Bounds(NamedTuple):
    """What a value must keep to, every number that may be drawn from it included.

    Attributes:
        low, high: ends of the range.
        open: the lower end itself is outside.
    """

    low: float = -math.inf
    high: float = math.inf
    open: bool = False


ANY = Bounds()


class WrongValue(ValueError):
    """A value that is no number or distribution within its bounds.

    Attributes:
        expected: in words; got: the part at fault, raw.
        note: more about it; remedy: the near miss; either may be empty.
    """

    def __init__(self, expected: str, got: object, note: str = "", remedy: str = "") -> None:
        super().__init__(f"expected {expected}, got {got}{note}")
        self.expected, self.got, self.note, self.remedy = expected, got, note, remedy


def bounds_of(kind: Any) -> Bounds | None:
    """Bounds of a type of the schema that is a ``Value``, annotated or bare; None for other types."""
    if kind == Value:
        return ANY
    if hasattr(kind, "__metadata__") and get_args(kind)[0] == Value:
        return next(Bounds(**meta.extra) for meta in kind.__metadata__ if meta.extra)
    return None


def is_distribution(value: object) -> bool:
    """Whether a raw value is a distribution and not a table of keys."""
    return isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in KINDS


def describe_bounds(bounds: Bounds) -> str:
    """What a value of these bounds is, in words."""
    signs = [(">" if bounds.open else ">=", bounds.low), ("<=", bounds.high)]
    given = [f"{sign} {end:g}" for sign, end in signs if math.isfinite(end)]
    return "a number or a distribution" + (f" {' and '.join(given)}" if given else "")


def parse(value: object, bounds: Bounds = ANY) -> Value:
    """Reads a raw value.

    Args:
        value: a number, or a table with one of ``KINDS``.

    Raises:
        WrongValue: it is neither, its range is upside down, or it reaches outside its bounds.
    """
    if _is_number(value):
        parsed: Value = float(value)
    elif isinstance(value, Mapping):
        parsed = _distribution(value)
    else:
        raise WrongValue(describe_bounds(bounds), value)
    low, high = support(parsed)
    if low < bounds.low or high > bounds.high or (bounds.open and low == bounds.low):
        reach = "" if isinstance(parsed, float) else f", which reaches from {low:g} to {high:g}"
        raise WrongValue(describe_bounds(bounds), value, reach)
    return parsed


def support(value: Value) -> tuple[float, float]:
    """The range that numbers drawn from a value lie in, both ends included."""
    if not isinstance(value, Distribution):
        return value, value
    if value.uniform is not None:
        return value.uniform
    if value.loguniform is not None:
        return value.loguniform
    if value.normal is not None:
        mean, std = value.normal
        return (-math.inf, math.inf) if std else (mean, mean)
    return 0.0, math.inf


def _distribution(table: Mapping[str, object]) -> Distribution:
    if len(table) != 1:
        raise WrongValue(f"one of {', '.join(KINDS)}", list(table))
    ((kind, given),) = table.items()
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, n=1)
        raise WrongValue(f"one of {', '.join(KINDS)}", kind, remedy=f"Did you mean '{near[0]}'?" if near else "")
    if kind == "exponential":
        if not _is_number(given) or float(given) < 0:
            raise WrongValue("{exponential = mean} with a mean >= 0", given)
        return Distribution(exponential=float(given))
    if not isinstance(given, list | tuple) or len(given) != 2 or not all(map(_is_number, given)):
        raise WrongValue(f"{{{kind} = [a, b]}}, two numbers", given)
    pair = (float(given[0]), float(given[1]))
    if kind == "normal":
        if pair[1] < 0:
            raise WrongValue("{normal = [mean, std]} with a std >= 0", given)
        return Distribution(normal=pair)
    if pair[0] > pair[1]:
        raise WrongValue(f"{{{kind} = [lower, upper]}} with lower <= upper", given)
    if kind == "uniform":
        return Distribution(uniform=pair)
    if pair[0] <= 0:
        raise WrongValue("{loguniform = [lower, upper]} with lower > 0", given)
    return Distribution(loguniform=pair)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)

"""Types of a profile's values, and the table they stand in."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from dexctl.profile.distribution import Value

Positive = Annotated[float, Meta(gt=0)]
NonNegative = Annotated[float, Meta(ge=0)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]
PositiveCount = Annotated[int, Meta(ge=1)]
Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]
Range = tuple[float, float]
PositiveValue = Annotated[Value, Meta(extra={"low": 0.0, "open": True})]
NonNegativeValue = Annotated[Value, Meta(extra={"low": 0.0})]
FractionValue = Annotated[Value, Meta(extra={"low": 0.0, "high": 1.0})]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of a profile: immutable, unknown keys refused."""

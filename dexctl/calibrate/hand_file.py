"""A calibrated hand as a profile: a part to be inherited, or, with a task to go with it, a whole profile."""

from __future__ import annotations

from typing import Any

import msgspec

from dexctl.profile import schema
from dexctl.profile.write import write_toml

# Enough for any sensor, and short enough to read.
_DIGITS = 6


def hand_toml(hand: schema.Hand, hand_name: str, whole: str | None, heading: str, description: str) -> str:
    """The text of the file.

    Args:
        hand: with every number, its digest among them.
        hand_name: of the profile that it was fitted from; whole: of a whole profile to be inherited first, or None.
        heading: the first line, a comment.
    """
    tables = {
        "description": description,
        "inherits": [whole, hand_name] if whole else hand_name,
        "hand": {
            "gains": "2018",
            "dry_friction": True,
            "calibrated_on": hand.calibrated_on,
            "joints": _rounded(msgspec.to_builtins(hand.joints)),
            "actuators": _rounded(msgspec.to_builtins(hand.actuators)),
        },
    }
    if hand.sensors:
        tables["hand"]["sensors"] = _rounded(msgspec.to_builtins(hand.sensors))
    return write_toml(tables, {}, heading)


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return float(f"{value:.{_DIGITS}g}")
        case dict():
            return {key: _rounded(one) for key, one in value.items()}
        case list() | tuple():
            return [_rounded(one) for one in value]
        case _:
            return value

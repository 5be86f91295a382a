"""JSON that every reader can read: finite numbers, plain types, UTF-8."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence, Set
from os import PathLike, fspath
from typing import Any


def to_json(document: Mapping[str, Any], indent: int | None = None) -> str:
    """Writes a document as JSON.

    NaN and infinities become null, and their dotted keys are listed under ``nonfinite``.
    Arrays, tensors and their scalars become lists and numbers, paths become texts.

    Raises:
        TypeError: a value is of a kind that JSON has no word for.
    """
    nonfinite: list[str] = []
    plain = {str(key): _plain(value, str(key), nonfinite) for key, value in document.items()}
    if nonfinite:
        plain["nonfinite"] = nonfinite
    separators = (",", ":") if indent is None else None
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators)


def _plain(value: Any, key: str, nonfinite: list[str]) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            if math.isfinite(value):
                return float(value)
            nonfinite.append(key)
            return None
        case Mapping():
            return {str(name): _plain(one, f"{key}.{name}", nonfinite) for name, one in value.items()}
        case PathLike():
            return fspath(value)
        case Sequence() | Set() if not isinstance(value, bytes | bytearray | memoryview):
            return [_plain(one, f"{key}.{index}", nonfinite) for index, one in enumerate(value)]
    if callable(getattr(value, "tolist", None)):
        return _plain(value.tolist(), key, nonfinite)
    raise TypeError(f"{key}: JSON has no word for {type(value).__name__}")

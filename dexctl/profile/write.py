"""A resolved profile as TOML that reads back to the same values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def write_toml(tables: Mapping[str, Any], origins: Mapping[str, str], heading: str) -> str:
    """Writes nested tables, each value with its origin as a comment.

    Args:
        tables: texts, numbers, booleans, lists of them, and tables.
        origins: by dotted key.
        heading: first line, a comment.
    """
    return "\n".join([f"# {heading}", *_table(tables, origins, ())]) + "\n"


def toml_value(value: object) -> str:
    """One value as TOML spells it."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return f'"{"".join(map(_character, value))}"'
        case list() | tuple():
            return f"[{', '.join(map(toml_value, value))}]"
        case _:
            raise AssertionError(f"a profile holds no {type(value).__name__}")


def _table(table: Mapping[str, Any], origins: Mapping[str, str], key: tuple[str, ...]) -> list[str]:
    lines = []
    for name, value in table.items():
        if not isinstance(value, Mapping):
            origin = origins.get(".".join((*key, name)), "")
            lines.append(f"{_key(name)} = {toml_value(value)}" + (f"  # {_one_line(origin)}" if origin else ""))
    for name, value in table.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{'.'.join(map(_key, (*key, name)))}]", *_table(value, origins, (*key, name))]
    return lines


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else toml_value(name)


def _character(one: str) -> str:
    if one in '"\\':
        return f"\\{one}"
    return one if one.isprintable() else f"\\U{ord(one):08x}"


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)

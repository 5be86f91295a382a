"""A resolved profile as TOML that reads back to the same values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from dexctl.profile.distribution import is_distribution

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


# Origins stand in one column, apart from the lines that are longer; long lists have a line for each item.
_ORIGIN_COLUMN = 44
_LONGEST_LIST = 72


def write_toml(tables: Mapping[str, Any], origins: Mapping[str, str], heading: str) -> str:
    """Writes nested tables, each value with its origin as a comment.

    Args:
        tables: texts, numbers, booleans, lists of them, distributions, and tables.
        origins: by dotted key.
        heading: first line, a comment.
    """
    lines = [f"# {heading}"]
    for title, values in toml_tables(tables, origins):
        lines += ["", *([f"[{title}]"] if title else []), *values]
    return "\n".join(lines) + "\n"


def toml_tables(
    tables: Mapping[str, Any], origins: Mapping[str, str], key: tuple[str, ...] = ()
) -> Iterator[tuple[str, list[str]]]:
    """Every table that has values of its own, by dotted name, and its lines."""
    lines: list[str] = []
    for name, value in tables.items():
        if not _is_table(value):
            lines += _lines(name, value, origins.get(".".join((*key, name)), ""))
    if lines or not tables:
        yield ".".join(map(_key, key)), lines
    for name, value in tables.items():
        if _is_table(value):
            yield from toml_tables(value, origins, (*key, name))


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
        case Mapping():
            return f"{{ {', '.join(f'{_key(name)} = {toml_value(item)}' for name, item in value.items())} }}"
        case _:
            raise AssertionError(f"a profile holds no {type(value).__name__}")


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping) and not is_distribution(value)


def _lines(name: str, value: object, origin: str) -> list[str]:
    text = toml_value(value)
    lines = [f"{_key(name)} = {text}"]
    if isinstance(value, list | tuple) and len(text) > _LONGEST_LIST:
        lines = [f"{_key(name)} = [", *(f"    {toml_value(item)}," for item in value), "]"]
    if origin:
        lines[0] = f"{lines[0]:<{_ORIGIN_COLUMN}}  # {_one_line(origin)}"
    return lines


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else toml_value(name)


def _character(one: str) -> str:
    if one in '"\\':
        return f"\\{one}"
    return one if one.isprintable() else f"\\U{ord(one):08x}"


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)

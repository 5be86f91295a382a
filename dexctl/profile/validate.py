"""Raw tables into a ``Profile``: every wrong key is named with what was expected and the near miss."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import inspect

from dexctl.errors import ProfileError
from dexctl.profile.distribution import WrongValue, bounds_of, describe_bounds, is_distribution, parse
from dexctl.profile.layers import Entry, near
from dexctl.profile.schema import Profile, Table

Key = tuple[str, ...]


class Validator:
    """Checks nested tables against the schema, key by key.

    Attributes:
        entries: the layer that the tables were made from, for origins.
        origin: the profile itself, blamed for keys that nobody gave.
        partial: whether missing keys are fine, as in a part that others inherit.
    """

    def __init__(self, entries: Mapping[Key, Entry], origin: str, partial: bool = False) -> None:
        self.entries = entries
        self.origin = origin
        self.partial = partial

    def profile(self, tables: Mapping[str, Any]) -> Profile:
        """Builds the profile.

        Raises:
            ProfileError: an unknown or missing key, a wrong type, a value out of range.
        """
        return msgspec.convert(self._table(tables, Profile, ()), Profile)

    def part(self, tables: Mapping[str, Any]) -> None:
        """Checks what a part says.

        Raises:
            ProfileError: an unknown key, a wrong type, a value out of range.
        """
        self._table(tables, Profile, ())

    def _table(self, value: object, kind: type[Table], key: Key) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise self._wrong(key, kind, value)
        types = _types(kind)
        for name in value:
            if name not in types:
                raise ProfileError(f"{self._blame((*key, name))}: unknown key", near(name, types))
        checked = {name: self._any(item, types[name], (*key, name)) for name, item in value.items()}
        missing = [one.name for one in msgspec.structs.fields(kind) if one.required and one.name not in value]
        if missing and not self.partial:
            raise self._missing(key, missing, types)
        return checked

    def _any(self, value: object, kind: Any, key: Key) -> Any:
        table = _table_of(kind)
        if table is not None:
            return self._table(value, table, key)
        if get_origin(kind) is dict:
            if not isinstance(value, Mapping):
                raise self._wrong(key, kind, value)
            return {name: self._any(item, get_args(kind)[1], (*key, name)) for name, item in value.items()}
        bounds = bounds_of(kind)
        if bounds is not None:
            try:
                return parse(value, bounds)
            except WrongValue as error:
                message = f"expected {error.expected}, got {shown(error.got)}{error.note}"
                raise ProfileError(f"{self._blame(key)}: {message}", error.remedy) from None
        if not _finite(value):
            raise self._wrong(key, kind, value)
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError:
            raise self._wrong(key, kind, value) from None

    def _missing(self, key: Key, names: list[str], types: Mapping[str, Any]) -> ProfileError:
        if not key:
            return ProfileError(
                f"{self.origin}: lacks {', '.join(names)}",
                "A part is there to be inherited; 'dexctl profile list' shows the whole profiles.",
            )
        return ProfileError(
            f"{self.origin}: {'.'.join((*key, names[0]))}: missing, expected {describe(types[names[0]])}",
            "Give it, or inherit a profile that does.",
        )

    def _wrong(self, key: Key, kind: Any, value: object) -> ProfileError:
        info = inspect.type_info(kind)
        choices = [str(one) for one in info.values] if isinstance(info, inspect.LiteralType) else []
        remedy = near(value, choices) if choices and isinstance(value, str) else ""
        return ProfileError(f"{self._blame(key)}: expected {describe(kind)}, got {shown(value)}", remedy)

    def _blame(self, key: Key) -> str:
        """The origin of a key, or of the first that stands below it, and the key itself."""
        origins = [entry.origin for other, entry in self.entries.items() if other[: len(key)] == key]
        return f"{origins[-1] if origins else self.origin}: {'.'.join(key)}"


def _table_of(kind: Any) -> type[Table] | None:
    """The table that a type stands for, also where a profile may leave it out."""
    kinds = get_args(kind) if get_origin(kind) is UnionType else (kind,)
    return next((one for one in kinds if isinstance(one, type) and issubclass(one, Table)), None)


def describe(kind: Any) -> str:
    """What a type of the schema expects, in words: ``a number > 0``, ``one of relu, elu``."""
    bounds = bounds_of(kind)
    return _describe(inspect.type_info(kind)) if bounds is None else describe_bounds(bounds)


def shown(value: object) -> str:
    """A value as TOML spells it, for messages."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        pairs = [f"{name} = {shown(item)}" for name, item in value.items()]
        return f"{{ {', '.join(pairs)} }}" if is_distribution(value) else "a table"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list | tuple):
        return f"[{', '.join(shown(item) for item in value)}]"
    return str(value)


@functools.cache
def _types(kind: type[Table]) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)


def _describe(info: inspect.Type) -> str:
    match info:
        case inspect.LiteralType():
            return f"one of {', '.join(str(value) for value in info.values)}"
        case inspect.BoolType():
            return "true or false"
        case inspect.StrType():
            return "text"
        case inspect.IntType():
            return "a whole number" + _bounds(info)
        case inspect.FloatType():
            return "a number" + _bounds(info)
        case inspect.TupleType():
            return f"a list of {len(info.item_types)} numbers"
        case inspect.ListType():
            return f"a list, each {_describe(info.item_type)}" + (", not empty" if info.min_length else "")
        case _:
            return "a table"


def _bounds(info: inspect.IntType | inspect.FloatType) -> str:
    signs = ((">", info.gt), (">=", info.ge), ("<", info.lt), ("<=", info.le))
    given = [f"{sign} {bound:g}" for sign, bound in signs if bound is not None]
    return f" {' and '.join(given)}" if given else ""


def _finite(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return all(map(_finite, value)) if isinstance(value, list) else True

"""Profiles as layers of dotted keys: reading files, following ``inherits``, laying one over another.

A layer is flat, ``("ppo", "clip") -> Entry(0.2, "profiles/train/paper.toml")``, so that every value
remembers where it came from.
"""

from __future__ import annotations

import difflib
import importlib.resources
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import tomli

from dexctl.errors import ProfileError
from dexctl.profile.distribution import is_distribution
from dexctl.profile.schema import Profile

# Stands among the profiles and is none: what the paper reports, see evaluate/paper.py.
PAPER_RESULTS = "paper-results.toml"
# Trained policies: each keeps the profile it was trained with, which is no profile to choose.
POLICIES = "policies"
# Names of profiles near an unknown one.
_OFFERED = 3
_LIST = "'dexctl profile list' has all."


class Entry(NamedTuple):
    """A value and the file, flag or variable that gave it."""

    value: Any
    origin: str


Layer = dict[tuple[str, ...], Entry]


def shipped_folder() -> Path:
    """Folder of the shipped profiles: ``profiles/`` in a checkout, ``dexctl/_profiles`` when installed."""
    package = Path(str(importlib.resources.files("dexctl")))
    installed = package / "_profiles"
    return installed if installed.is_dir() else package.parent / "profiles"


def shipped_files() -> dict[str, Path]:
    """Every shipped profile by name, whole ones and parts, sorted."""
    folder = shipped_folder()
    policies = folder / POLICIES
    found = (path for path in folder.rglob("*.toml") if path.name != PAPER_RESULTS and policies not in path.parents)
    files = {path.relative_to(folder).with_suffix("").as_posix(): path for path in found}
    return dict(sorted(files.items()))


def find(name: str) -> Path:
    """File of a profile that is given by name or by a path that ends in ``.toml``.

    Raises:
        ProfileError: there is none; names the nearest, or the whole ones.
    """
    if name.endswith(".toml"):
        path = Path(name)
        if os.path.isfile(path):
            return path
        raise ProfileError(f"{name}: there is no such profile file", _nearest(path.stem) or _whole_ones())
    if found := shipped_files().get(name):
        return found
    raise ProfileError(f"profile '{name}' is unknown", _nearest(name) or _whole_ones())


def read(path: Path) -> Layer:
    """Reads a profile with all it inherits, the nearer over the farther.

    Raises:
        ProfileError: a file cannot be read, is not TOML, or inherits what is unknown or itself.
    """
    return _read(path, ())


def lacks_tables(layer: Layer) -> bool:
    """Whether a profile is only a part: tables that each profile must have are not in it."""
    required = {field.name for field in msgspec.structs.fields(Profile) if field.required}
    return bool(required - {key[0] for key in layer})


def lay(below: Mapping[tuple[str, ...], Entry], above: Mapping[tuple[str, ...], Entry]) -> Layer:
    """Lays one layer over another: tables merge, anything else, a distribution too, is replaced whole."""
    merged = dict(below)
    tables = _tables(merged)
    for key, entry in above.items():
        if key in tables:
            if entry.value == {}:
                continue
            merged = {other: kept for other, kept in merged.items() if other[: len(key)] != key}
        for stop in range(1, len(key)):
            merged.pop(key[:stop], None)
        merged[key] = entry
        tables |= _tables([key])
    return merged


def flatten(table: Mapping[str, Any], origin: str, prefix: tuple[str, ...] = ()) -> Layer:
    """Turns nested tables into a layer; an empty table and a distribution stay as values of their own.

    Raises:
        ProfileError: a key holds a dot, which would make dotted keys ambiguous.
    """
    layer: Layer = {}
    for name, value in table.items():
        if "." in name:
            raise ProfileError(f"{origin}: {'.'.join((*prefix, name))}: a key may not hold a dot")
        if isinstance(value, dict) and value and not is_distribution(value):
            layer |= flatten(value, origin, (*prefix, name))
        else:
            layer[(*prefix, name)] = Entry(value, origin)
    return layer


def nest(layer: Mapping[tuple[str, ...], Entry]) -> dict[str, Any]:
    """Turns a layer back into nested tables, without the origins."""
    root: dict[str, Any] = {}
    for key, entry in layer.items():
        table = root
        for name in key[:-1]:
            table = table.setdefault(name, {})
        table[key[-1]] = entry.value
    return root


def near(word: str, known: Iterable[str]) -> str:
    """A sentence that offers the nearest known word, or lists a few when none is near."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"Did you mean '{close[0]}'?"
    return f"Known here: {', '.join(known)}." if known else ""


def origin_of(path: Path) -> str:
    """How messages and origins name a file: shipped ones by their place in the checkout."""
    folder = shipped_folder()
    resolved = path.resolve()
    if resolved.is_relative_to(folder.resolve()):
        return f"profiles/{resolved.relative_to(folder.resolve()).as_posix()}"
    return str(path)


def _read(path: Path, descendants: tuple[Path, ...]) -> Layer:
    origin = origin_of(path)
    if path.resolve() in descendants:
        circle = " -> ".join(origin_of(one) for one in (*descendants, path.resolve()))
        raise ProfileError(f"{origin}: inherits: a profile may not inherit itself ({circle})")
    table = _parse(path, origin)
    layer: Layer = {}
    for parent in _parents(table.pop("inherits", []), origin):
        layer = lay(layer, _read(_find_parent(parent, path, origin), (*descendants, path.resolve())))
    return lay(layer, flatten(table, origin))


def _parse(path: Path, origin: str) -> dict[str, Any]:
    try:
        return tomli.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProfileError(f"{origin}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, tomli.TOMLDecodeError, RecursionError) as error:
        raise ProfileError(f"{origin}: is not TOML: {error}") from error


def _parents(inherits: object, origin: str) -> list[str]:
    names = [inherits] if isinstance(inherits, str) else inherits
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return names
    raise ProfileError(f"{origin}: inherits: expected a profile's name or a list of names, got {inherits!r}")


def _find_parent(name: str, child: Path, origin: str) -> Path:
    """Looks beside the child first, then among the shipped profiles; never finds the child itself."""
    beside = child.parent / (name if name.endswith(".toml") else f"{name}.toml")
    if not _can_be(beside):
        raise ProfileError(f"{origin}: inherits: no file can have the name {name!r}")
    # A file named as a shipped profile may inherit the shipped one.
    hidden = beside.resolve() == child.resolve() and child.resolve() != shipped_files().get(name, child).resolve()
    if beside.is_file() and not hidden:
        return beside
    if name.endswith(".toml"):
        raise ProfileError(f"{origin}: inherits: there is no file '{beside}'")
    if found := shipped_files().get(name):
        return found
    raise ProfileError(f"{origin}: inherits: '{name}' is unknown", _nearest(name) or _LIST)


def _can_be(path: Path) -> bool:
    """Whether a file may have this path; not where it is too long or holds a zero byte."""
    try:
        path.resolve().exists()
    except (OSError, ValueError):
        return False
    return True


def _nearest(name: str) -> str:
    """A sentence that offers the shipped profiles nearest to a name; empty when none is near."""
    close = difflib.get_close_matches(name, shipped_files(), n=_OFFERED, cutoff=0.6)
    return f"Did you mean {' or '.join(map(repr, close))}?" if close else ""


def _whole_ones() -> str:
    """A sentence that lists the whole profiles that do not lie in a folder."""
    whole = [name for name, path in shipped_files().items() if "/" not in name and _is_whole(path)]
    return f"Whole profiles: {', '.join(whole)}; {_LIST}"


def _is_whole(path: Path) -> bool:
    try:
        return not lacks_tables(read(path))
    # One that is wrong is told when it is asked for.
    except ProfileError:
        return False


def _tables(keys: Iterable[tuple[str, ...]]) -> set[tuple[str, ...]]:
    return {key[:stop] for key in keys for stop in range(1, len(key))}

"""Loading a profile: inheritance, environment and settings laid over each other, then checked."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from dexctl.profile import layers
from dexctl.profile.check import check
from dexctl.profile.distribution import is_distribution
from dexctl.profile.schema import Profile
from dexctl.profile.settings import OPTION, VARIABLE, parse_settings, split_variable
from dexctl.profile.validate import Validator
from dexctl.profile.write import toml_tables, write_toml

# What shapes neither experience nor learning: two sides that differ here may work together.
_OUTSIDE_DIGEST = {"description", "run", "evaluate", "wire", "robot", "calibrate"}
# Nor do backend and devices belong there: a run may move to a machine with a GPU and back.
_OUTSIDE_DIGEST_OF_PHYSICS = {"threads", "dump_failures", "device", "max_contacts", "max_constraints"}
_OUTSIDE_DIGEST_OF_PPO = {"device"}


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A resolved profile and where each of its values came from.

    Attributes:
        profile: every table, checked.
        name: as it was asked for.
        origins: file, ``--set``, ``DEXCTL_SET`` or ``default`` by dotted key.
        digest: hex blake2b-128 of what shapes experience and learning.
    """

    profile: Profile
    name: str
    origins: dict[str, str]
    digest: str

    def to_toml(self) -> str:
        """The resolved profile as TOML with its origins; loads back to the same digest."""
        tables = _builtins(self.profile)
        return write_toml(tables, self.origins, f"Resolved from {self.name!r}, digest {self.digest}.")

    def to_tables(self) -> list[tuple[str, list[str]]]:
        """The same by table: dotted name and lines of TOML."""
        return list(toml_tables(_builtins(self.profile), self.origins))

    def to_document(self) -> dict[str, Any]:
        """Name, digest, resolved profile and origins, as plain types."""
        return {
            "name": self.name,
            "digest": self.digest,
            "profile": _builtins(self.profile),
            "origins": self.origins,
        }

    def profile_json(self) -> bytes:
        """The resolved profile alone, as msgspec reads it back."""
        return msgspec.json.encode(self.profile)

    def to_json(self) -> str:
        """The document as JSON."""
        return json.dumps(self.to_document(), ensure_ascii=False)


@dataclasses.dataclass(frozen=True)
class Listed:
    """A shipped profile in a list.

    Attributes:
        part: it lacks whole tables and is there to be inherited.
    """

    name: str
    description: str
    part: bool


def load(name: str, settings: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> Loaded:
    """Loads a profile and lays environment and settings over it.

    Args:
        name: of a shipped profile (``block-yaw``), or the path of a ``.toml`` file.
        settings: ``table.key=value`` each; they win over everything.
        environment: where ``DEXCTL_SET`` is read from; this process's when omitted.

    Raises:
        ProfileError: the profile is unknown, unreadable or wrong; names file, key and what was expected.
    """
    path = layers.find(name)
    layer = _with_settings(layers.read(path), settings, environment)
    origin = layers.origin_of(path)
    profile = Validator(layer, origin).profile(layers.nest(layer))
    origins = {".".join(key): _origin(layer, key) for key in _dotted(_builtins(profile))}
    check(profile, origins, origin)
    return Loaded(profile, name, origins, digest(profile))


def resolved(profile: Profile, settings: Sequence[str], origin: str) -> Loaded:
    """A profile that was already resolved, a dataset's say, with settings laid over it as ``load`` does.

    Args:
        origin: where the profile came from.

    Raises:
        ProfileError: a setting is wrong.
    """
    adjusted = adjust(profile, settings, origin)
    changed = {".".join(key) for key in _with_settings({}, settings, None)}
    origins = {key: OPTION if key in changed else origin for key in map(".".join, _dotted(_builtins(adjusted)))}
    return Loaded(adjusted, origin, origins, digest(adjusted))


def load_with_hand(name: str, hand: str, settings: Sequence[str] = ()) -> Profile:
    """Loads a profile with the hand of another one, which may be a part, in place of its own.

    Args:
        name: of a whole profile; hand: of a profile with a table ``hand``.
        settings: as for ``load``.

    Raises:
        ProfileError: one of them is unknown, unreadable or wrong.
    """
    path = layers.find(hand)
    own = {key: entry for key, entry in layers.read(path).items() if key[0] == "hand"}
    layer = _with_settings(layers.lay(layers.read(layers.find(name)), own), settings, None)
    origin = layers.origin_of(path)
    profile = Validator(layer, origin).profile(layers.nest(layer))
    check(profile, {".".join(key): entry.origin for key, entry in layer.items()}, origin)
    return profile


def adjust(profile: Profile, settings: Sequence[str], origin: str) -> Profile:
    """Lays settings, and the environment's, over a profile that was already resolved, a checkpoint's say.

    Args:
        origin: where the profile came from, for messages.

    Raises:
        ProfileError: a setting is wrong.
    """
    layer = _with_settings(layers.flatten(_builtins(profile), origin), settings, None)
    adjusted = Validator(layer, origin).profile(layers.nest(layer))
    check(adjusted, {".".join(key): entry.origin for key, entry in layer.items()}, origin)
    return adjusted


def check_part(name: str, settings: Sequence[str] = (), environment: Mapping[str, str] | None = None) -> None:
    """Checks a profile that others inherit: what it says must be right, what it leaves out is fine.

    Raises:
        ProfileError: as ``load``, apart from missing keys.
    """
    path = layers.find(name)
    layer = _with_settings(layers.read(path), settings, environment)
    Validator(layer, layers.origin_of(path), partial=True).part(layers.nest(layer))


def is_part(name: str) -> bool:
    """Whether a profile lacks whole tables, even with all it inherits.

    Raises:
        ProfileError: the profile is unknown or unreadable.
    """
    return layers.lacks_tables(layers.read(layers.find(name)))


def names() -> list[Listed]:
    """Every shipped profile with its description, whole ones first."""
    listed = []
    for name, path in layers.shipped_files().items():
        layer = layers.read(path)
        description = layer.get(("description",), layers.Entry("", ""))
        listed.append(Listed(name, str(description.value), layers.lacks_tables(layer)))
    return sorted(listed, key=lambda one: (one.part, one.name))


def digest(profile: Profile) -> str:
    """Hex blake2b-128 over canonical JSON of everything that shapes experience and learning."""
    canonical = json.dumps(shaping_tables(profile), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()


def shaping_tables(profile: Profile) -> dict[str, Any]:
    """Everything that shapes experience and learning: what the digest is made of."""
    tables = {name: table for name, table in _builtins(profile).items() if name not in _OUTSIDE_DIGEST}
    tables["physics"] = {
        name: value for name, value in tables["physics"].items() if name not in _OUTSIDE_DIGEST_OF_PHYSICS
    } | {"backend": "cpu"}
    tables["ppo"] = {name: value for name, value in tables["ppo"].items() if name not in _OUTSIDE_DIGEST_OF_PPO}
    return tables


def _with_settings(layer: layers.Layer, settings: Sequence[str], environment: Mapping[str, str] | None) -> layers.Layer:
    variables = os.environ if environment is None else environment
    from_environment = parse_settings(split_variable(variables.get(VARIABLE, "")), VARIABLE)
    return layers.lay(layers.lay(layer, from_environment), parse_settings(settings, OPTION))


def _builtins(profile: Profile) -> dict[str, Any]:
    """The tables as plain values; one that the profile leaves out is not among them."""
    return _without_left_out(msgspec.to_builtins(profile))


def _without_left_out(table: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _without_left_out(value) if isinstance(value, Mapping) else value
        for name, value in table.items()
        if value is not None
    }


def _dotted(table: Mapping[str, Any], prefix: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    keys: list[tuple[str, ...]] = []
    for name, value in table.items():
        if isinstance(value, Mapping) and not is_distribution(value):
            keys += _dotted(value, (*prefix, name))
        else:
            keys.append((*prefix, name))
    return keys


def _origin(layer: layers.Layer, key: tuple[str, ...]) -> str:
    return layer[key].origin if key in layer else "default"

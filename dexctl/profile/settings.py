"""Settings on the command line and in the environment: ``table.key=value``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import tomli

from dexctl.errors import ProfileError
from dexctl.profile.layers import Layer, flatten, lay

VARIABLE = "DEXCTL_SET"
OPTION = "--set"

# Semicolons inside quotes belong to the text.
_ONE_OF_A_LIST = re.compile(r"""(?:[^;"']|"(?:\\.|[^"\\])*"|'[^']*'|["'])+""")
_BARE_WORD = re.compile(r"[\w./:@+-]*")


def parse_settings(settings: Sequence[str], origin: str) -> Layer:
    """Reads settings into a layer, later over earlier.

    Args:
        settings: ``table.key=value`` each; the value is TOML, a bare word is text.
        origin: ``--set`` or ``DEXCTL_SET``.

    Raises:
        ProfileError: a setting has no ``=``, an empty key, or a value that is neither.
    """
    layer: Layer = {}
    for setting in settings:
        dotted, equals, text = setting.partition("=")
        names = [name.strip().strip("\"'") for name in dotted.split(".")]
        if not equals or not all(names):
            raise ProfileError(f"{origin} '{setting}': expected table.key=value", "For example: ppo.clip=0.2")
        tree: Any = _value(text.strip(), setting, origin)
        for name in reversed(names):
            tree = {name: tree}
        layer = lay(layer, flatten(tree, origin))
    return layer


def split_variable(text: str) -> list[str]:
    """Splits the variable's text at semicolons outside quotes; empty pieces fall away."""
    return [piece.strip() for piece in _ONE_OF_A_LIST.findall(text) if piece.strip()]


def _value(text: str, setting: str, origin: str) -> Any:
    try:
        document = tomli.loads(f"value = {text}")
    except (tomli.TOMLDecodeError, RecursionError) as error:
        if text and _BARE_WORD.fullmatch(text):
            return text
        raise ProfileError(f"{origin} '{setting}': the value is not TOML: {error}") from error
    if len(document) > 1:
        raise ProfileError(f"{origin} '{setting}': expected one value, got several lines")
    return document["value"]

"""What ``dexctl calibrate`` can be asked to do, and the options that go with each."""

from __future__ import annotations

from typing import Any, Literal

from dexctl.commands.modes import Modes

Mode = Literal["fit", "--sensors", "--record"]

_SAID: dict[Mode, str] = {"fit": "a fit", "--sensors": "--sensors", "--record": "--record"}
MODES = Modes(
    said={**_SAID},
    taken=(
        (("output", "profile", "dry_run", "json", "quiet"), tuple(_SAID)),
        (("recording", "hand", "whole", "settings"), ("fit", "--sensors")),
        (("sensors",), ("--sensors",)),
        (("method", "groups", "seed", "fresh"), ("fit",)),
        (("fingers",), ("fit", "--record")),
        (("record", "robot", "arm", "timeout", "key", "server_key"), ("--record",)),
    ),
    needs={"fit": {"seed": ("--method coordinate", lambda given: given["method"] == "coordinate")}},
)


def mode_of(given: dict[str, Any]) -> Mode:
    """What is asked for.

    Args:
        given: values by the names of parameters.
    """
    return "--record" if given["record"] else "--sensors" if given["sensors"] else "fit"

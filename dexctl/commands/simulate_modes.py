"""What ``dexctl simulate`` can be asked to do, and the options that go with each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import typer

Mode = Literal["play", "--serve", "--replay", "--samples", "--states"]

# Each is asked for by the option of its name, looked for in this order; without any a policy plays.
_SAID: dict[Mode, str] = {
    "--serve": "--serve ENDPOINT",
    "--replay": "--replay RECORDING",
    "--samples": "--samples N",
    "--states": "--states N",
    "play": "a policy's play",
}
# Parameters by their names, and what they are for.
_TAKEN: list[tuple[tuple[str, ...], tuple[Mode, ...]]] = [
    (("dry_run", "json", "quiet"), tuple(_SAID)),
    (("profile", "settings"), ("play", "--states", "--samples", "--serve")),
    (("policy", "seed"), ("play", "--states", "--samples")),
    (("greedy",), ("play", "--states")),
    (("where", "view", "port", "seconds", "png"), ("play",)),
    (("video", "camera"), ("play", "--replay")),
    (("replay",), ("--replay",)),
    (("serve", "robot_seed", "cameras", "rate"), ("--serve",)),
    (("key", "allow", "insecure", "endpoint_file"), ("--serve", "--states")),
    (("samples", "plot"), ("--samples",)),
    (("states", "every", "output_path", "bind"), ("--states",)),
]
MODES: dict[str, tuple[Mode, ...]] = {name: modes for names, modes in _TAKEN for name in names}

# Of use to another option of its mode only: which, and whether it is there.
_Condition = tuple[str, Callable[[dict[str, Any]], object]]
_BOUND: _Condition = "--bind tcp://127.0.0.1:0", lambda given: given["bind"]
_NEEDS: dict[Mode, dict[str, _Condition]] = {
    "play": {
        "where": ("--view", lambda given: given["view"]),
        "port": ("--view web", lambda given: given["view"] and given["where"] == "web"),
        "camera": ("--video or --png", lambda given: given["video"] or given["png"]),
    },
    "--states": dict.fromkeys(("key", "allow", "insecure", "endpoint_file"), _BOUND),
}


def mode_of(given: dict[str, Any]) -> Mode:
    """What is asked for.

    Args:
        given: values by the names of parameters, None where there is none.
    """
    for mode in _SAID:
        if mode != "play" and given[mode[2:]] is not None:
            return mode
    return "play"


def misplaced(context: typer.Context) -> tuple[str, str] | None:
    """An option on the command line that what is asked for would not look at.

    What stands in the environment is meant for many commands, and passed over where it does not belong.

    Returns:
        What is wrong and the cure, or None.
    """
    given = context.params
    mode = mode_of(given)
    here = "what plays" if mode == "play" else mode
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        if source is None or source.name != "COMMANDLINE":
            continue
        spelled = next((option for option in parameter.opts if option.startswith("--")), f"'{given[name]}'")
        if mode not in MODES[name]:
            others = " or ".join(_SAID[one] for one in _SAID if one in MODES[name])
            return f"{spelled} belongs to {others}, not to {here}", "'dexctl simulate --help' says what goes with what."
        needed, there = _NEEDS.get(mode, {}).get(name, ("", bool))
        if needed and not there(given):
            return f"{spelled} goes with {needed}, which is not there", f"Add {needed}, or leave {spelled} out."
    return None

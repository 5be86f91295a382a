"""What ``dexctl simulate`` can be asked to do, and the options that go with each."""

from __future__ import annotations

from typing import Any, Literal

from dexctl.commands.modes import Condition, Modes

Mode = Literal["play", "--serve", "--replay", "--samples", "--states"]

# Each is asked for by the option of its name, looked for in this order; without any a policy plays.
_SAID: dict[Mode, str] = {
    "--serve": "--serve ENDPOINT",
    "--replay": "--replay RECORDING",
    "--samples": "--samples N",
    "--states": "--states N",
    "play": "a policy's play",
}
_BOUND: Condition = "--bind tcp://127.0.0.1:0", lambda given: given["bind"]
MODES = Modes(
    said={**_SAID},
    taken=(
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
    ),
    needs={
        "play": {
            "where": ("--view", lambda given: given["view"]),
            "port": ("--view web", lambda given: given["view"] and given["where"] == "web"),
            "camera": ("--video or --png", lambda given: given["video"] or given["png"]),
        },
        "--states": dict.fromkeys(("key", "allow", "insecure", "endpoint_file"), _BOUND),
    },
)


def mode_of(given: dict[str, Any]) -> Mode:
    """What is asked for.

    Args:
        given: values by the names of parameters, None where there is none.
    """
    for mode in _SAID:
        if mode != "play" and given[mode[2:]] is not None:
            return mode
    return "play"

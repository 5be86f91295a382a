"""Which evaluation a question asks for, decided by the options that it names, and which options go together.

Another mode is an entry in ``MODES``, a file beside this one, and its options in ``question`` and in the command.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping, Sequence

from dexctl.console.beforehand import check_datasets, check_policies
from dexctl.console.evaluation.question import Question
from dexctl.console.output import Output
from dexctl.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Mode:
    """One kind of evaluation.

    Attributes:
        session: the module beside this one whose ``run(question, output, dry_run)`` does it.
        needs: options that ask for it, all of them together.
        takes: the others that it reads.
    """

    session: str
    needs: tuple[str, ...]
    takes: tuple[str, ...]


MODES = (
    Mode(
        "policies",
        needs=("policy",),
        takes=("profile", "set", "trials", "seed", "greedy", "paper", "plot", "report", "film", "vision", "at_least"),
    ),
    Mode("grasps", needs=("policy", "grasps"), takes=("profile", "set", "trials", "seed", "greedy", "pictures")),
    Mode("grasps", needs=("recording", "grasps"), takes=("pictures",)),
    Mode("memory", needs=("policy", "memory"), takes=("profile", "set", "trials", "seed")),
    Mode("recordings", needs=("recording",), takes=("paper", "plot", "report", "film")),
    Mode("calibrations", needs=("calibration",), takes=("recorded", "profile", "set")),
    Mode("poses", needs=("vision", "images"), takes=("worst",)),
)


def choose(given: Sequence[str], typed: Mapping[str, str], modes: Sequence[Mode] = MODES) -> Mode:
    """The mode that most of the options ask for, those on the command line before those of the environment.

    Args:
        given: names of the options that are there.
        typed: names of those on the command line, as they are spelled there. What stands in the environment is
            meant for many commands, and passed over where it does not belong.

    Raises:
        UsageError: none is asked for, or an option on the command line makes no sense in it.
    """
    asked = [mode for mode in modes if set(mode.needs) <= set(given)]
    if not asked:
        ways = "; or ".join(" and ".join(map(_flag, mode.needs)) for mode in modes)
        raise UsageError("nothing to evaluate", f"Give {ways}.")
    mode = max(asked, key=lambda one: (len(set(one.needs) & typed.keys()), len(one.needs)))
    for name, spelled in typed.items():
        if name not in mode.needs + mode.takes:
            together = " and ".join(map(_flag, mode.needs))
            raise UsageError(f"{spelled} makes no sense with {together}", "Leave one of them away.")
    return mode


def answer(question: Question, typed: Mapping[str, str], output: Output, dry_run: bool) -> None:
    """Runs the session of the mode that the question asks for.

    Args:
        typed: see ``choose``.

    Raises:
        UsageError: the options do not go together.
        DexctlError: as the session says.
    """
    fields = {field.name for field in dataclasses.fields(question)}
    mode = choose(question.given(), {name: spelled for name, spelled in typed.items() if name in fields})
    check_policies(question.policy)
    check_datasets((*question.recording, *question.images))
    importlib.import_module(f"dexctl.console.evaluation.{mode.session}").run(question, output, dry_run)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"

"""What a command can be asked to do, and the options that go with each; whatever goes with none is refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import typer

# Of use to another option of its mode only: which, and whether it is there.
Condition = tuple[str, Callable[[dict[str, Any]], object]]


@dataclasses.dataclass(frozen=True)
class Modes:
    """The modes of a command.

    Attributes:
        said: each mode by its name, as others are told of it.
        taken: parameters by their names, and the modes that look at them.
        needs: by mode, parameters that are of no use without another option.
    """

    said: Mapping[str, str]
    taken: Sequence[tuple[tuple[str, ...], tuple[str, ...]]]
    needs: Mapping[str, Mapping[str, Condition]]

    @property
    def of(self) -> dict[str, tuple[str, ...]]:
        """The modes that look at a parameter, by its name."""
        return {name: modes for names, modes in self.taken for name in names}

    def misplaced(self, context: typer.Context, mode: str) -> tuple[str, str] | None:
        """A parameter on the command line that the mode asked for would not look at.

        Returns:
            What is wrong and the cure, or None.
        """
        here, given, of = mode if mode.startswith("-") else self.said[mode], context.params, self.of
        for name, spelled in typed(context).items():
            if mode not in of[name]:
                others = " or ".join(said for one, said in self.said.items() if one in of[name])
                cure = f"'dexctl {context.command.name} --help' says what goes with what."
                return f"{spelled} belongs to {others}, not to {here}", cure
            needed, there = self.needs.get(mode, {}).get(name, ("", bool))
            if needed and not there(given):
                return f"{spelled} goes with {needed}, which is not there", f"Add {needed}, or leave {spelled} out."
        return None


def typed(context: typer.Context) -> dict[str, str]:
    """Parameters that stand on the command line, by name, as people know them: an option's long form, or the value.

    What stands in the environment is meant for many commands, and passed over where it does not belong.
    """
    found: dict[str, str] = {}
    for parameter in context.command.params:
        name = str(parameter.name)
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            value = context.params[name]
            shown = " ".join(map(str, value)) if isinstance(value, list | tuple) else value
            found[name] = next((option for option in parameter.opts if option.startswith("--")), f"'{shown}'")
    return found

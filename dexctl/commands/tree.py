"""The command tree: commands imported when asked for, unknown ones looked up on PATH."""

from __future__ import annotations

import difflib
import importlib
import os
import shutil
import sys
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

import dexctl
from dexctl.commands import COMMANDS
from dexctl.commands.examples import EXAMPLES
from dexctl.errors import UnavailableError, UsageError

_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Group(TyperGroup):
    """A group of commands that is quick with its own options.

    A flag that is False is taken as it is. None would go through pydantic, whose import takes
    longer than all the rest of a command's help.
    """

    def get_params(self, ctx: Any) -> Any:
        """The group's options, ``--help`` among them, False where they are not given."""
        parameters = super().get_params(ctx)
        for parameter in parameters:
            parameter.default = False
        return parameters


class CommandTree(Group):
    """Lists commands from the table alone, and imports the one that runs."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of all commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, imported now, or None."""
        entry = COMMANDS.get(cmd_name)
        return load(cmd_name, entry.target) if entry else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Finds the command that the arguments begin with; an unknown one is run from PATH.

        Raises:
            UsageError: neither the table nor PATH has it.
        """
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            _run_from_path(name, args[1:])
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Writes the list of commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])


def tree() -> Any:
    """The whole command tree, ``dexctl`` at its root."""
    app = typer.Typer(
        name="dexctl",
        cls=CommandTree,
        help="Learn, simulate and run dexterous in-hand manipulation.",
        epilog="'dexctl COMMAND --help' tells more of a command; 'dexctl profile list' what there is to run.",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=_SETTINGS,
        no_args_is_help=True,
    )
    app.callback()(_root)
    return typer.main.get_command(app)


def load(name: str, target: str) -> Any:
    """Imports a command.

    Args:
        name: as typed.
        target: ``module:function``, or ``module:app`` where the attribute is a ``typer.Typer``.
    """
    module, _, attribute = target.partition(":")
    callee = getattr(importlib.import_module(module), attribute)
    if isinstance(callee, typer.Typer):
        callee.info.name = name
        callee.info.cls = Group
        app = callee
    else:
        app = typer.Typer()
        app.command(name)(callee)
    app.rich_markup_mode = None
    app.pretty_exceptions_enable = False
    app._add_completion = False
    command = typer.main.get_command(app)
    for one in command.commands.values() if isinstance(command, TyperGroup) else [command]:
        _finish(one)
    lines = [f"  {one.line}\n      {one.what}" for one in EXAMPLES[name]]
    command.epilog = "\n\n".join(filter(None, ["\n".join(["\b", "Examples:", *lines]), command.epilog]))
    return command


def from_environment(command: Any) -> str:
    """Which variable an option is read from, told of one of the command's own; empty when it has none."""
    options = [one for one in command.params if isinstance(one, TyperOption) and one.envvar and not one.show_envvar]
    if not options:
        return ""
    told = next((one for one in options if "--dry-run" in one.opts), options[0])
    flag = max(told.opts, key=len)
    return f"Every option is also read from the environment: {flag} from {told.envvar}."


def _finish(command: Any) -> None:
    """Gives a command what all have: ``-h``, and options read from ``DEXCTL_*``."""
    assert isinstance(command, TyperCommand)
    command.context_settings = _SETTINGS
    for parameter in command.params:
        if isinstance(parameter, TyperOption) and parameter.envvar is None and parameter.allow_from_autoenv:
            flag = next(option for option in parameter.opts if option.startswith("--"))
            parameter.envvar = f"DEXCTL_{flag[2:].replace('-', '_').upper()}"
            # Told once at the end, not after every option.
            parameter.show_envvar = False
    command.epilog = from_environment(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"dexctl {dexctl.__version__}\n")
        raise typer.Exit


def _root(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Takes the options that stand before the command."""


def _run_from_path(name: str, arguments: list[str]) -> NoReturn:
    program = shutil.which(f"dexctl-{name}")
    if program is None:
        near = difflib.get_close_matches(name, COMMANDS, 1)
        raise UsageError(
            f"no command '{name}', and no dexctl-{name} on PATH",
            f"Did you mean '{near[0]}'?" if near else "'dexctl --help' lists the commands.",
        )
    try:
        os.execv(program, [program, *arguments])
    except OSError as error:
        raise UnavailableError(f"{program}: {error.strerror}", "Its first line must name an interpreter.") from error

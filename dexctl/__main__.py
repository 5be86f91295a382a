"""The entrance: runs a command and turns its ending into messages and an exit code."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import typer

from dexctl.commands.tree import tree
from dexctl.console import messages
from dexctl.console.exit_codes import BUG, CLOSED_PIPE, DONE, USAGE, Stopped, exit_code
from dexctl.errors import DexctlError, UsageError

_COMPLETION = "_DEXCTL_COMPLETE"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns its exit code.

    Args:
        arguments: without the program's name; this process's when omitted.
    """
    # Workers and optimizer share the cores: torch's threads must sleep while they wait for one
    # another, or a busy neighbour makes them twice as slow. Read when torch is first imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    command = tree()
    try:
        if _COMPLETION in os.environ:
            command.main(prog_name="dexctl")
        code = _run(command, list(sys.argv[1:] if arguments is None else arguments))
        if sys.stdout is not None:
            sys.stdout.flush()
    except BaseException as ending:
        code = _tell(ending)
    if code == CLOSED_PIPE:
        _forget_stdout()
    return code


def _run(command: Any, arguments: list[str]) -> int:
    """Parses and calls; a wrong command line is told with the place where its help stands."""
    try:
        with command.make_context("dexctl", arguments) as context:
            command.invoke(context)
    except typer.Exit as leaving:
        return leaving.exit_code
    except typer.Abort as leaving:
        raise KeyboardInterrupt from leaving
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        where = context.command_path if context else "dexctl"
        lines = error.format_message().strip()
        if "\n" in lines:
            # No arguments where some are needed: the message is the whole help.
            sys.stderr.write(f"{lines}\n")
            return USAGE
        raise UsageError(lines, f"'{where} --help' tells what it takes.") from error
    return DONE


def _tell(ending: BaseException) -> int:
    """Says on stderr why the command ended, and returns the exit code."""
    if isinstance(ending, SystemExit):
        return ending.code if isinstance(ending.code, int) else DONE if ending.code is None else BUG
    code = exit_code(ending)
    # stderr may be the pipe that was closed.
    with contextlib.suppress(OSError):
        if isinstance(ending, DexctlError):
            messages.error(str(ending))
        elif code == BUG:
            traceback.print_exception(ending)
            messages.error("this is a bug in dexctl; please report it with the lines above")
        elif not isinstance(ending, Stopped | KeyboardInterrupt | BrokenPipeError):
            messages.error(str(ending))
    return code


def _forget_stdout() -> None:
    """Lets the interpreter leave without another complaint about the closed pipe."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python
"""Writes man/dexctl.1 and a page of each command, from the command tree itself.

tools/manual.py            writes the pages that have changed, and removes those of commands that are gone
tools/manual.py --check    tells which have, and writes nothing
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dexctl.commands import COMMANDS
from dexctl.commands.examples import EXAMPLES
from dexctl.commands.tree import from_environment, load, tree
from dexctl.console.exit_codes import BUG, CLOSED_PIPE, DONE, INTERRUPTED
from dexctl.errors import DexctlError

MAN = Path(__file__).parents[1] / "man"
_NOTES = re.compile(r"\s*\[(?P<notes>[^\[\]]*)\]$")
# An argument's name tells its kind.
_KIND = re.compile(r" <.*>$")

_WHAT_IT_IS = """
The system of the paper Learning Dexterous In\\-Hand Manipulation, as commands that can be piped, scripted and run on
any layout of machines.
A profile describes each run,
.BR dexctl\\-profile (5).
""".strip()

_STREAMS = """
Data go to stdout, and nothing else does: events as JSON Lines while a command runs,
.BR dexctl\\-events (5),
or one JSON document with
.BR \\-\\-json .
What people read goes to stderr: progress, and one line or two of what is wrong and what to do.
.B \\-
in place of a file is stdin or stdout.
""".strip()

_ENVIRONMENT = """
.TP
.B DEXCTL_*
Every option is also read from the environment:
.B \\-\\-dry\\-run
from
.BR DEXCTL_DRY_RUN .
The command line goes first, then the environment, then the profile.
.TP
.B DEXCTL_SET
settings as of
.BR \\-\\-set ,
with ; between
.TP
.BR NO_COLOR ", " FORCE_COLOR ", " TERM
whether messages are coloured; off a terminal they never are
.TP
.B NOTIFY_SOCKET
told READY=1 when work can be accepted, as systemd wants
.TP
.B MUJOCO_GL
what draws pictures: egl, osmesa or glfw
""".strip()

_FILES = """
.TP
.I RUN/profile.toml
the run's profile with all it inherits, and the origin of every value
.TP
.I RUN/events.jsonl
every event of the run
.TP
.I RUN/checkpoints/
the newest checkpoints, each one file that is whole or not there
.TP
.I RUN/lock
who works in the folder
""".strip()


def pages() -> dict[str, str]:
    """Every generated page by the name of its file."""
    made = {"dexctl.1": _root_page()}
    for name, entry in COMMANDS.items():
        made[f"dexctl-{name}.1"] = _command_page(name, load(name, entry.target))
    return made


def changed() -> dict[str, str | None]:
    """Pages that differ from what the commands say: what they should be, None for one too many."""
    wanted: dict[str, str | None] = dict(pages())
    there = {path.name: path.read_text(encoding="utf-8") for path in MAN.glob("*.1")}
    return {name: wanted.get(name) for name in sorted(wanted | there) if wanted.get(name) != there.get(name)}


def _root_page() -> str:
    command = tree()
    others = [line for name in COMMANDS for line in (".TP", f".BR dexctl\\-{_escaped(name)} (1)", COMMANDS[name].help)]
    with command.make_context("dexctl", [], resilient_parsing=True) as context:
        records = _records(command, context, "option")
    lines = [
        *_head("dexctl", command.help),
        *(".SH SYNOPSIS", ".B dexctl", ".I COMMAND", "[OPTIONS] [ARGUMENTS]", ".SH DESCRIPTION"),
        _WHAT_IT_IS,
        *(".SH COMMANDS", *map(_text, others), ".PP", "Any other"),
        *(".I COMMAND", "runs the program", ".BI dexctl\\- COMMAND", "from PATH."),
        *(".SH OPTIONS", *_entries(records), ".SH STREAMS", _STREAMS, ".SH EXIT STATUS", *_exit_codes()),
        *(
            ".SH ENVIRONMENT",
            _ENVIRONMENT,
            ".SH FILES",
            _FILES,
            ".SH SEE ALSO",
            *_see_also(path.name for path in sorted(MAN.glob("*.[57]"))),
        ),
    ]
    return "\n".join(lines) + "\n"


def _command_page(name: str, command: Any) -> str:
    parts = dict(getattr(command, "commands", {}))
    lines = _head(f"dexctl-{name}", COMMANDS[name].help)
    if parts:
        synopsis = [_synopsis(f"dexctl {name} {one}", part) for one, part in parts.items()]
        lines += [".SH SYNOPSIS", *"\n.br\n".join("\n".join(some) for some in synopsis).splitlines()]
        lines += [".SH DESCRIPTION", _text(COMMANDS[name].help)]
        for one, part in parts.items():
            lines += [f'.SS "{_escaped(f"dexctl {name} {one}")}"', *_description(part)]
            lines += _parameters(f"dexctl {name} {one}", part)
    else:
        lines += [".SH SYNOPSIS", *_synopsis(f"dexctl {name}", command)]
        lines += [".SH DESCRIPTION", *_description(command)]
        lines += [".SH OPTIONS", *_parameters(f"dexctl {name}", command)]
    told = from_environment(next(iter(parts.values()), command))
    lines += [".SH ENVIRONMENT", _text(told)] * bool(told)
    lines += [".SH EXAMPLES", *_examples(name), ".SH EXIT STATUS", "Those of", ".BR dexctl (1)."]
    lines += [".SH SEE ALSO", *_see_also(("dexctl.1", "dexctl-events.5", "dexctl-profile.5"))]
    return "\n".join(lines) + "\n"


def _examples(name: str) -> Iterator[str]:
    for one in EXAMPLES[name]:
        yield from (".TP", f".B {_escaped(one.line)}", _text(one.what))


def _head(title: str, line: str) -> list[str]:
    said = line.removesuffix(".")
    return [
        '.\\" Written by tools/manual.py from the command itself.',
        f".TH {_escaped(title.upper())} 1",
        *(".SH NAME", f"{_escaped(title)} \\- {_escaped(said[0].lower() + said[1:])}"),
    ]


def _synopsis(called: str, command: Any) -> list[str]:
    needed = [f"{max(one.opts, key=len)} {one.metavar}" for one in _parameters_of(command, "option") if one.required]
    with command.make_context(called, [], resilient_parsing=True) as context:
        pieces = [piece.replace("{", "").replace("}", "") for piece in command.collect_usage_pieces(context)]
    return [f".B {_escaped(called)}", _text(" ".join([*needed, *pieces]))]


def _description(command: Any) -> Iterator[str]:
    for number, paragraph in enumerate((command.help or "").split("\n\n")):
        if number:
            yield ".PP"
        yield _text(paragraph)


def _parameters(called: str, command: Any) -> list[str]:
    with command.make_context(called, [], resilient_parsing=True) as context:
        return [*_entries(_records(command, context, "argument")), *_entries(_records(command, context, "option"))]


def _parameters_of(command: Any, kind: str) -> list[Any]:
    return [parameter for parameter in command.params if parameter.param_type_name == kind]


def _records(command: Any, context: Any, kind: str) -> list[tuple[str, str]]:
    parameters = [one for one in command.get_params(context) if one.param_type_name == kind]
    records = [parameter.get_help_record(context) for parameter in parameters]
    return [record for record in records if record is not None]


def _entries(records: list[tuple[str, str]]) -> Iterator[str]:
    """Names of options in bold, of arguments in italics; what they do; what is special about them."""
    for names, told in records:
        yield ".TP"
        yield (
            f".B {_escaped(names.replace(' range>', '>'))}"
            if names[0] == "-"
            else f".I {_escaped(_KIND.sub('', names))}"
        )
        notes = _NOTES.search(told)
        yield _text(told[: notes.start()] if notes else told)
        if notes:
            yield _text(f"[{notes['notes']}]")


def _exit_codes() -> Iterator[str]:
    told = {DONE: "Done.", BUG: "A bug, with a traceback; nothing else prints one."}
    told |= {kind.code: (kind.__doc__ or "").partition("\n")[0] for kind in DexctlError.__subclasses__()}
    told |= {INTERRUPTED: "Stopped by Ctrl-C; 128 + N after signal N.", CLOSED_PIPE: "Nobody reads stdout any more."}
    for code, meaning in sorted(told.items()):
        yield from (".TP", f".B {code}", _text(meaning))


def _see_also(pages_told: Iterable[str]) -> Iterator[str]:
    names = [page.rpartition(".") for page in pages_told]
    for number, (name, _, section) in enumerate(names, start=1):
        yield f".BR {_escaped(name)} ({section})" + ("," if number < len(names) else "")


def _text(line: str) -> str:
    """A line of running text: no request at its beginning, no long line."""
    return line if line.startswith(".") and line[1:3].isupper() else f"{_escaped(' '.join(line.split()))}"


def _escaped(text: str) -> str:
    quoted = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return f"\\&{quoted}" if quoted.startswith(".") else quoted


def main(*arguments: str) -> int:
    """Writes, or with --check only tells; returns 1 when a page was not what it should be."""
    found = changed()
    for name, page in found.items():
        sys.stdout.write(f"man/{name}\n")
        if arguments:
            continue
        if page is None:
            (MAN / name).unlink()
        else:
            (MAN / name).write_text(page, encoding="utf-8")
    return int(bool(found) and bool(arguments))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

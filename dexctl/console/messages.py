"""Messages to people: ``level: message`` on stderr, in colour only where a terminal shows it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TextIO

_COLORS = {"error": "\x1b[31m", "warning": "\x1b[33m", "info": "\x1b[36m"}
BOLD = "\x1b[1m"
RESET = "\x1b[0m"


def error(text: str) -> None:
    """Says why the command ends; a second line of the text is the remedy."""
    _write("error", text)


def warning(text: str) -> None:
    """Says what somebody should look at while the command goes on."""
    _write("warning", text)


def info(text: str) -> None:
    """Says what happens."""
    _write("info", text)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person sees this stream now; a closed stream is none."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def wants_color(stream: TextIO | None, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether to colour what goes to this stream.

    Off a terminal never. On one, ``NO_COLOR`` forbids it, ``FORCE_COLOR`` asks for it even
    where ``TERM=dumb`` would not.
    """
    if not is_terminal(stream) or environment.get("NO_COLOR"):
        return False
    return bool(environment.get("FORCE_COLOR")) or environment.get("TERM", "dumb") != "dumb"


def is_live(stream: TextIO | None, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this stream can redraw lines: a terminal that moves its cursor."""
    return is_terminal(stream) and environment.get("TERM", "dumb") != "dumb"


def printable(text: str) -> str:
    """The text with control characters shown as escapes, so that a file's name cannot drive the terminal."""
    return "".join(one if one.isprintable() or one in "\n\t" else one.encode("unicode_escape").decode() for one in text)


def _write(level: str, text: str) -> None:
    if sys.stderr is None:
        return
    label = f"{_COLORS[level]}{level}:{RESET}" if wants_color(sys.stderr) else f"{level}:"
    sys.stderr.write(f"{label} {printable(text)}\n")
    sys.stderr.flush()

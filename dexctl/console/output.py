"""What a command gives to stdout: events, one JSON document, a table, or the path of what it made."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from dexctl.console.json_text import to_json
from dexctl.console.messages import BOLD, RESET, is_terminal, printable, wants_color
from dexctl.errors import InputOutputError

Cell = str | int | float | None


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows for people.

    Attributes:
        headings: of the columns; empty for none.
        rows: as many cells each as there are columns.
        title: a line above, or empty.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    title: str = ""

    def lines(self, color: bool = False) -> list[str]:
        """Columns in line, numbers to the right, two spaces between; nothing after the last word."""
        texts = [list(self.headings)] * bool(self.headings) + [[_cell(cell) for cell in row] for row in self.rows]
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        right = [
            all(isinstance(cell, int | float | None) for cell in column) for column in zip(*self.rows, strict=True)
        ]
        right = right or [False] * len(widths)
        lines = [
            "  ".join(
                text.rjust(width) if to_right else text.ljust(width)
                for text, width, to_right in zip(row, widths, right, strict=True)
            ).rstrip()
            for row in texts
        ]
        if color and self.headings:
            lines[0] = f"{BOLD}{lines[0]}{RESET}"
        return [self.title] * bool(self.title) + lines


@dataclasses.dataclass(frozen=True)
class Output:
    """How this command was asked to answer.

    Attributes:
        json: one JSON document in place of a table; events also on a terminal.
        quiet: only the path or id of what was made.
    """

    json: bool = False
    quiet: bool = False

    def show(self, document: Mapping[str, Any], *tables: Table) -> None:
        """Prints the document or its tables; nothing when quiet.

        Args:
            document: the answer for programs, see ``to_json``.
            tables: the same for people.

        Raises:
            BrokenPipeError: nobody reads stdout any more.
            InputOutputError: stdout is closed or full.
        """
        if self.quiet:
            return
        if self.json:
            _print([to_json(document)])
            return
        color = wants_color(sys.stdout)
        for index, table in enumerate(tables):
            _print([""] * bool(index) + table.lines(color))

    def made(self, what: object) -> None:
        """Prints the path or id of what was made, when quiet: then it is the whole answer."""
        if self.quiet:
            _print([str(what)])

    def event_stream(self) -> BinaryIO | None:
        """Where events go: stdout; on a terminal only when JSON was asked for, since the progress stands there."""
        if self.quiet or sys.stdout is None or (is_terminal(sys.stdout) and not self.json):
            return None
        return sys.stdout.buffer


def _cell(cell: Cell) -> str:
    match cell:
        case None:
            return "-"
        case bool():
            return "yes" if cell else "no"
        case float():
            return f"{cell:,.0f}" if abs(cell) >= 1000 else f"{cell:.4g}"
        case int():
            return f"{cell:,}"
        case _:
            return printable(cell).replace("\n", " ")


def _print(lines: Sequence[str]) -> None:
    if sys.stdout is None:
        raise InputOutputError("stdout is closed", "Give the answer a place to go.")
    text = "".join(f"{line}\n" for line in lines)
    try:
        sys.stdout.buffer.write(text.encode(errors="replace"))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise InputOutputError(f"stdout: {error.strerror}", "Give the answer a place that takes it.") from error

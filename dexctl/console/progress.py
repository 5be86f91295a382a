"""Progress for people: a panel that redraws itself on a terminal, elsewhere a plain line every 30 s."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from dexctl.console import messages
from dexctl.console.output import Table as Rows

if TYPE_CHECKING:
    from rich.live import Live
    from rich.panel import Panel

INTERVAL_S = 30.0
ROWS_INTERVAL_S = 1.0
Value = str | int | float


class Progress:
    """Shows the newest values of a running command on stderr."""

    def __init__(
        self,
        title: str,
        *,
        quiet: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepares to show; the panel appears on entering.

        Args:
            title: of the panel.
            quiet: shows nothing.
            clock: seconds, from any start, never backwards.
        """
        self._title = title
        self._quiet = quiet
        self._clock = clock
        self._next_line_s = self._next_rows_s = clock()
        self._live: Live | None = None
        self._values: dict[str, Value] = {}
        self._rows: Rows | None = None

    def update(self, values: Mapping[str, Value], rows: Rows | None = None) -> None:
        """Takes newer values by label, such as ``steps/s``; labels not named keep theirs.

        Numbers are written with four digits. The first call prints its line at once.

        Args:
            rows: to stand below them in the panel, in place of those before; not in plain lines.
        """
        self._values |= values
        self._rows = rows or self._rows
        if self._quiet:
            return
        if self._live:
            self._live.update(self._panel())
        elif self._clock() >= self._next_line_s:
            self._next_line_s = self._clock() + INTERVAL_S
            messages.info(", ".join(f"{label} {shown(value)}" for label, value in self._values.items()))

    def show_rows(self, rows: Callable[[], Rows]) -> None:
        """Shows newer rows, at most once a second; asked for and shown in a panel alone."""
        if self._live and self._clock() >= self._next_rows_s:
            self._next_rows_s = self._clock() + ROWS_INTERVAL_S
            self._rows = rows()
            self._live.update(self._panel())

    def __enter__(self) -> Progress:
        if not self._quiet and messages.is_live(sys.stderr):
            self._live = self._open_live()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()
            self._live = None

    def _open_live(self) -> Live:
        from rich.console import Console
        from rich.live import Live

        console = Console(file=sys.stderr, force_terminal=True, no_color=not messages.wants_color(sys.stderr))
        live = Live(self._panel(), console=console, refresh_per_second=4, redirect_stdout=False)
        live.start()
        # A second signal leaves at once, and a hidden cursor would stay hidden.
        console.show_cursor(True)
        return live

    def _panel(self) -> Panel:
        from rich.console import Group
        from rich.panel import Panel
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for label, value in self._values.items():
            table.add_row(Text(label), Text(shown(value), justify="right"))
        lines = self._rows.lines() if self._rows and self._rows.rows else []
        content = Group(table, Text("\n".join(["", *lines]), no_wrap=True)) if lines else table
        return Panel(content, title=Text(messages.printable(self._title)), expand=False)


def shown(value: Value) -> str:
    """A value as people read it: four digits, thousands apart."""
    if isinstance(value, str):
        return messages.printable(value)
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.4g}"


def shown_duration(seconds: float) -> str:
    """A duration as people read it: ``1 h 02 min``, ``3 min 04 s`` or ``5 s``."""
    whole_s = max(0, round(seconds))
    hours, minutes = whole_s // 3600, whole_s % 3600 // 60
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {whole_s % 60:02d} s" if minutes else f"{whole_s} s"

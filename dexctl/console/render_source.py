"""Where ``dexctl render`` takes states from: a dataset, or what another command announces on stdin."""

from __future__ import annotations

import dataclasses
import itertools
import os
import select
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from dexctl.console.announced import Announced, announced_rows
from dexctl.errors import DataError, UsageError
from dexctl.profile import schema
from dexctl.profile.load import Loaded, load, resolved
from dexctl.store.states import States

STDIN = "-"
# Rows that one process draws at a time.
TASK_ROWS = 16
_TURN_S = 0.2
_READ_BYTES = 1 << 16

Per = Literal["image", "episode"]


@dataclasses.dataclass(frozen=True)
class StatesSource:
    """States to render.

    Attributes:
        loaded: the profile to render with.
        positions: of each state.
        count: states there are, None while they are yet to come.
    """

    loaded: Loaded
    positions: int
    count: int | None
    _rows: Iterator[Announced]
    _opened: dict[Path, States]
    _closed: threading.Event

    def close(self) -> None:
        """Waits for nothing more to be announced."""
        self._closed.set()

    def tasks(self, first: int, stop: int | None, per: Per) -> Iterator[dict[str, np.ndarray]]:
        """Tasks as ``Drawing.rows`` takes them, of rows from ``first`` until ``stop``, or until states end.

        A dataset with fewer states than rows is gone through again: rows differ in pose and look.

        Raises:
            DataError: a state is damaged.
            UnavailableError: the command that announces ended without its last word.
        """
        row = 0
        for announced in self._rows:
            for start in range(announced.start, announced.stop, TASK_ROWS):
                count = min(TASK_ROWS, announced.stop - start)
                if stop is not None:
                    count = min(count, stop - row)
                if count <= 0:
                    return
                skipped = min(max(first - row, 0), count)
                if skipped < count:
                    yield self._task(announced.dataset, row, start, start + count, skipped, per)
                row += count

    def _task(self, path: Path, row: int, start: int, stop: int, skipped: int, per: Per) -> dict[str, np.ndarray]:
        states = self._states(path)
        if stop > len(states) and stop > states.refresh():
            raise DataError(
                f"{path}: row {stop - 1} was announced, and {len(states)} rows are whole",
                "Is it on a file system that both commands share?",
            )
        read = states.read(start, stop, ("qpos", "object_quaternion_wxyz", "episode"))
        rows = np.arange(row, row + stop - start)
        return {
            "row": rows[skipped:],
            "look": (rows if per == "image" else read["episode"])[skipped:],
            "state_row": np.arange(start, stop)[skipped:],
            "qpos": read["qpos"][skipped:],
        }

    def _states(self, path: Path) -> States:
        if path not in self._opened:
            states = States(path)
            if states.metadata.positions != self.positions:
                raise DataError(f"{path}: states of another scene", "Announce datasets of one profile.")
            self._opened[path] = states
        return self._opened[path]


def open_states(where: str, profile: str | None, settings: tuple[str, ...]) -> StatesSource:
    """Opens what was asked for; waits for the first rows where they are yet to come.

    Raises:
        UsageError: stdin is a terminal.
        MissingError, DataError: no dataset, or a damaged one.
        ProfileError: the profile is wrong.
        UnavailableError: the command that announces ended before it announced anything.
    """
    if where != STDIN:
        states = States(Path(where))
        if not len(states):
            raise DataError(f"{where}: no row is whole yet", "Gather some: dexctl simulate --states.")
        again = itertools.repeat(Announced(states.path, 0, len(states)))
        return _source(states, len(states), again, profile, settings)
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError(
            "nothing is piped into stdin", "Try: dexctl simulate --states 1000 -o STATES | dexctl render -"
        )
    closed = threading.Event()
    rows = announced_rows(_lines(sys.stdin.fileno(), closed))
    first = next(rows, None)
    if first is None:
        raise DataError("stdin: no rows were announced", "Look at what the command before this one says.")
    return _source(States(first.dataset), None, itertools.chain([first], rows), profile, settings, closed)


def _source(
    states: States,
    count: int | None,
    rows: Iterator[Announced],
    profile: str | None,
    settings: tuple[str, ...],
    closed: threading.Event | None = None,
) -> StatesSource:
    if profile is not None:
        loaded = load(profile, settings)
    else:
        try:
            own = msgspec.convert(states.metadata.profile, schema.Profile)
        except msgspec.ValidationError as error:
            raise DataError(
                f"{states.path}: its profile does not fit this program: {error}", "Give --profile."
            ) from error
        loaded = resolved(own, settings, str(states.path))
    return StatesSource(
        loaded, states.metadata.positions, count, rows, {states.path: states}, closed or threading.Event()
    )


def _lines(descriptor: int, closed: threading.Event) -> Iterator[bytes]:
    """Lines as they come, until nobody waits for them: a read of a quiet pipe would never end."""
    rest = b""
    while not closed.is_set():
        if not select.select([descriptor], [], [], _TURN_S)[0]:
            continue
        some = os.read(descriptor, _READ_BYTES)
        if not some:
            return
        *lines, rest = (rest + some).split(b"\n")
        yield from lines

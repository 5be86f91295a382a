"""Where ``dexctl render`` takes states from: a dataset, what another command announces on stdin, or a sender."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import os
import select
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from dexctl.console.announced import Announced, announced_rows
from dexctl.console.row_stream import Connecting, ReceivedRows, is_endpoint
from dexctl.errors import DataError, UsageError
from dexctl.profile.load import Loaded, load, resolved
from dexctl.store.rows import Column, profile_of
from dexctl.store.states import COLUMNS, States, StatesMetadata

STDIN = "-"
# Rows that one process draws at a time.
TASK_ROWS = 16
_TURN_S = 0.2
_READ_BYTES = 1 << 16

Per = Literal["image", "episode"]


@dataclasses.dataclass(frozen=True)
class Span:
    """Rows from ``start`` up to ``stop``, and what reads some of them."""

    start: int
    stop: int
    read: Callable[[int, int], Mapping[str, np.ndarray]]


def _nothing() -> None:
    """Of a source that nobody waits for."""


@dataclasses.dataclass(frozen=True)
class StatesSource:
    """States to render.

    Attributes:
        loaded: the profile to render with.
        positions: of each state.
        count: states there are, None while they are yet to come.
        enough: tells who sends that no more is wanted.
        close: waits for nothing more.
    """

    loaded: Loaded
    positions: int
    count: int | None
    _spans: Iterator[Span]
    enough: Callable[[], None] = _nothing
    close: Callable[[], None] = _nothing

    def tasks(self, first: int, stop: int | None, per: Per) -> Iterator[dict[str, np.ndarray]]:
        """Tasks as ``Drawing.rows`` takes them, of rows from ``first`` until ``stop``, or until states end.

        A dataset with fewer states than rows is gone through again: rows differ in pose and look.

        Raises:
            DataError: a state is damaged.
            UnavailableError: the command that announces or sends ended without its last word.
        """
        row = 0
        for span in self._spans:
            for start in range(span.start, span.stop, TASK_ROWS):
                count = min(TASK_ROWS, span.stop - start)
                if stop is not None:
                    count = min(count, stop - row)
                if count <= 0:
                    return
                skipped = min(max(first - row, 0), count)
                if skipped < count:
                    yield _task(span, row, start, start + count, skipped, per)
                row += count


def _task(span: Span, row: int, start: int, stop: int, skipped: int, per: Per) -> dict[str, np.ndarray]:
    read = span.read(start, stop)
    rows = np.arange(row, row + stop - start)
    return {
        "row": rows[skipped:],
        "look": (rows if per == "image" else read["episode"])[skipped:],
        "state_row": np.arange(start, stop)[skipped:],
        "qpos": read["qpos"][skipped:],
    }


def _of_datasets(announced: Iterator[Announced], first: States) -> Iterator[Span]:
    """Rows of datasets as they are announced; all of the first one's scene."""
    opened = {first.path: first}
    for rows in announced:
        if rows.dataset not in opened:
            opened[rows.dataset] = States(rows.dataset)
        states = opened[rows.dataset]
        if states.metadata.positions != first.metadata.positions:
            raise DataError(f"{rows.dataset}: states of another scene", "Announce datasets of one profile.")
        yield Span(rows.start, rows.stop, functools.partial(_read, states))


def _read(states: States, start: int, stop: int) -> Mapping[str, np.ndarray]:
    if stop > len(states) and stop > states.refresh():
        raise DataError(
            f"{states.path}: row {stop - 1} was announced, and {len(states)} rows are whole",
            "Is it on a file system that both commands share?",
        )
    return states.read(start, stop, ("qpos", "object_quaternion_wxyz", "episode"))


def _columns(metadata: StatesMetadata) -> dict[str, Column]:
    return COLUMNS | {"qpos": Column("float32", (metadata.positions,), "finite")}


def _of_sender(received: ReceivedRows[StatesMetadata]) -> Iterator[Span]:
    """Rows as they come over the wire."""
    for start, rows in received.portions():
        yield Span(start, start + len(rows["qpos"]), functools.partial(_cut, rows, start))


def _cut(rows: Mapping[str, np.ndarray], offset: int, start: int, stop: int) -> Mapping[str, np.ndarray]:
    return {name: values[start - offset : stop - offset] for name, values in rows.items()}


def open_states(where: str, profile: str | None, settings: tuple[str, ...], connecting: Connecting) -> StatesSource:
    """Opens what was asked for; waits for the first rows where they are yet to come.

    Raises:
        UsageError: stdin is a terminal, or the endpoint none.
        MissingError, DataError: no dataset, or a damaged one.
        ProfileError: the profile is wrong.
        UnavailableError: the command that announces ended before it announced anything.
    """
    if is_endpoint(where):
        received = ReceivedRows(where, "states", _columns, StatesMetadata, connecting)
        loaded = _loaded(received.metadata, where, profile, settings)
        positions = received.metadata.positions
        return StatesSource(loaded, positions, None, _of_sender(received), received.enough, received.close)
    if where != STDIN:
        states = States(Path(where))
        if not len(states):
            raise DataError(f"{where}: no row is whole yet", "Gather some: dexctl simulate --states.")
        again = itertools.repeat(Announced(states.path, 0, len(states)))
        loaded = _loaded(states.metadata, where, profile, settings)
        return StatesSource(loaded, states.metadata.positions, len(states), _of_datasets(again, states))
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError(
            "nothing is piped into stdin", "Try: dexctl simulate --states 1000 -o STATES | dexctl render -"
        )
    closed = threading.Event()
    rows = announced_rows(_lines(sys.stdin.fileno(), closed))
    first = next(rows, None)
    if first is None:
        raise DataError("stdin: no rows were announced", "Look at what the command before this one says.")
    states = States(first.dataset)
    loaded = _loaded(states.metadata, str(states.path), profile, settings)
    spans = _of_datasets(itertools.chain([first], rows), states)
    return StatesSource(loaded, states.metadata.positions, None, spans, close=closed.set)


def _loaded(metadata: StatesMetadata, where: str, profile: str | None, settings: tuple[str, ...]) -> Loaded:
    if profile is not None:
        return load(profile, settings)
    return resolved(profile_of(metadata.profile, where), settings, where)


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

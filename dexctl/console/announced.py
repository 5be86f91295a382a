"""Rows that another command announces on its stdout: ``rows`` events name a dataset and what of it is readable."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dexctl.errors import DataError, UnavailableError


@dataclasses.dataclass(frozen=True)
class Announced:
    """Rows from ``start`` up to ``stop`` of a dataset are readable."""

    dataset: Path
    start: int
    stop: int


def announced_rows(lines: Iterable[bytes]) -> Iterator[Announced]:
    """The rows of a stream of events, as they are announced; other events are passed over.

    Args:
        lines: of JSON, as another command prints them.

    Raises:
        DataError: a line is no event.
        UnavailableError: the other command failed, or died without its last word.
    """
    ended = False
    for number, line in enumerate(lines, start=1):
        event = _event(line, number)
        if event["event"] == "rows":
            yield _announced(event, number)
        elif event["event"] == "end":
            ended = True
            if event.get("code"):
                reason = event.get("message") or event.get("status")
                raise UnavailableError(f"the command before this one ended: {reason}", "What it made is kept.")
    if not ended:
        raise UnavailableError("the command before this one ended without a word", "What it made is kept.")


def _event(line: bytes, number: int) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        raise DataError(f"stdin, line {number}: not an event", "Pipe 'dexctl render ... -o IMAGES' into this command.")
    return event


def _announced(event: dict[str, Any], number: int) -> Announced:
    dataset, start, stop = (event.get(key) for key in ("dataset", "start", "stop"))
    if not isinstance(dataset, str) or type(start) is not int or type(stop) is not int or not 0 <= start <= stop:
        raise DataError(f"stdin, line {number}: an event of rows without dataset, start and stop")
    return Announced(Path(dataset), start, stop)

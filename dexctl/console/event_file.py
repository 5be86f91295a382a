"""``events.jsonl`` of a run folder: whole lines only, whatever killed the writer before."""

from __future__ import annotations

import json
import os
from pathlib import Path

from dexctl.errors import CreateError, InputOutputError

_BLOCK = 1 << 16


class EventFile:
    """Appends whole lines to a file.

    A line that an older process left unfinished is cut off. One writer at a time: the run
    folder's lock sees to it.

    Attributes:
        next_seq: one more than the ``seq`` of the last whole line, 0 for an empty file.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file, or makes it.

        Raises:
            CreateError: it cannot be opened for writing.
        """
        self._path = path
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            last_line, whole_bytes = _tail(self._descriptor)
            os.ftruncate(self._descriptor, whole_bytes)
        except OSError as error:
            raise CreateError(f"{path}: {error.strerror}", "Give a folder that can be written to.") from error
        self.next_seq = _seq(last_line) + 1

    def append(self, line: bytes) -> None:
        """Writes one line, all of it or nothing.

        Raises:
            InputOutputError: the disk is full or lost.
        """
        before = os.fstat(self._descriptor).st_size
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            os.ftruncate(self._descriptor, before)
            raise InputOutputError(f"{self._path}: {error.strerror}", "Free some space and run it again.") from error

    def close(self) -> None:
        """Closes the file."""
        os.close(self._descriptor)


def _tail(descriptor: int) -> tuple[bytes, int]:
    """The last whole line and the number of bytes up to its end."""
    end = os.fstat(descriptor).st_size
    start, text = end, b""
    while start > 0 and text.count(b"\n") < 2:
        size = min(_BLOCK, start)
        start -= size
        text = os.pread(descriptor, size, start) + text
    whole = text[: text.rfind(b"\n") + 1]
    lines = whole.splitlines()
    return (lines[-1] if lines else b""), end - len(text) + len(whole)


def _seq(line: bytes) -> int:
    try:
        return int(json.loads(line)["seq"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return -1

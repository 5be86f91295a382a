"""Events as JSON Lines, dexctl-events(5): one object a line, on stdout and in a run folder."""

from __future__ import annotations

import datetime
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import dexctl
from dexctl.console.event_file import EventFile
from dexctl.console.exit_codes import exit_code, status
from dexctl.console.json_text import to_json
from dexctl.errors import InputOutputError

VERSION = 1
_ENVELOPE = {"event", "v", "t", "run", "seq"}


class Events:
    """Writes the events of one command, from ``start`` on entering to ``end`` on leaving.

    Safe to use from several threads. Numbers of lines (``seq``) go on where an older
    process of the same run stopped.
    """

    def __init__(
        self,
        command: str,
        stream: BinaryIO | None = None,
        path: Path | None = None,
        *,
        run: str = "",
        profile_digest: str = "",
        seed: int | None = None,
        argv: Sequence[str] | None = None,
    ) -> None:
        """Prepares to write; nothing is written before entering.

        Args:
            command: the command's name.
            stream: where lines go as they happen, mostly stdout.
            path: ``events.jsonl`` of a run folder, appended to.
            run: the run's name, a random one when empty.
            profile_digest: digest of the resolved profile.
            seed: of the run.
            argv: the command line, this process's when omitted.

        Raises:
            CreateError: the file cannot be opened.
        """
        self._stream = stream
        self._file = EventFile(path) if path else None
        self._run = run or secrets.token_hex(4)
        self._seq = self._file.next_seq if self._file else 0
        self._lock = threading.Lock()
        self._start_s = time.monotonic()
        self._start = {
            "command": command,
            "version": dexctl.__version__,
            "argv": list(sys.argv if argv is None else argv),
            "profile": profile_digest or None,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "seed": seed,
        }

    def emit(self, event: str, /, **fields: Any) -> None:
        """Writes one line and flushes it.

        Args:
            event: its kind.
            fields: plain values, arrays or tensors; NaN and infinities are written as null.

        Raises:
            BrokenPipeError: nobody reads the stream any more.
            InputOutputError: the disk is full or lost.
        """
        assert not _ENVELOPE & fields.keys(), "an event's envelope is not its content"
        with self._lock:
            envelope = {"event": event, "v": VERSION, "t": _now(), "run": self._run, "seq": self._seq}
            line = f"{to_json(envelope | fields)}\n".encode(errors="replace")
            self._seq += 1
            if self._file:
                self._file.append(line)
            self._write(line)

    def __enter__(self) -> Events:
        self.emit("start", **self._start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        code = exit_code(error)
        reason = {"message": str(error).partition("\n")[0] or type(error).__name__} if error else {}
        try:
            self.emit(
                "end", status=status(code), code=code, elapsed_s=round(time.monotonic() - self._start_s, 3), **reason
            )
        except (OSError, InputOutputError):
            # The first failure is the one to tell.
            if error is None:
                raise
        finally:
            if self._file:
                self._file.close()

    def _write(self, line: bytes) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(line)
            self._stream.flush()
        except BrokenPipeError:
            self._stream = None
            raise
        except OSError as error:
            self._stream = None
            raise InputOutputError(f"stdout: {error.strerror}", "Give the events a place that takes them.") from error


def _now() -> str:
    now = datetime.datetime.now(datetime.UTC)
    return f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z"

"""Which exit code an ending has: those of sysexits(3), and 128 + N after signal N."""

from __future__ import annotations

import errno

from dexctl.errors import DexctlError, InputOutputError

DONE = 0
NO = 1
USAGE = 64
BUG = 70
INTERRUPTED = 130
CLOSED_PIPE = 141

# A library that writes says so itself; these reach the edge only from a write to stdout or stderr.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG}


class Stopped(Exception):
    """The command was asked by a signal to stop, and did so in good order.

    Attributes:
        code: exit code, 128 + the signal's number.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by signal {signal_number}")
        self.code = 128 + signal_number


def exit_code(ending: BaseException | None) -> int:
    """Exit code of a command that ended with this exception, or without one."""
    match ending:
        case None:
            return DONE
        case DexctlError() | Stopped():
            return ending.code
        case KeyboardInterrupt():
            return INTERRUPTED
        case BrokenPipeError():
            return CLOSED_PIPE
        case OSError() if ending.errno in _FULL:
            return InputOutputError.code
        case _:
            return BUG


def status(code: int) -> str:
    """The word for an exit code in an ``end`` event: ``done``, ``no``, ``stopped`` or ``failed``."""
    if code in (DONE, NO):
        return ("done", "no")[code]
    return "stopped" if code > 128 else "failed"

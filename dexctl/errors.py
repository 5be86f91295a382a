"""Errors that a user can mend: each carries its exit code and says what to do.

Anything that is not a ``DexctlError`` is a bug: it ends with a traceback and exit code 70.
The codes are those of sysexits(3), with 1 for "the answer is no" and 10 for a safety stop.
"""

from __future__ import annotations


class DexctlError(Exception):
    """A failure the user can mend.

    Attributes:
        code: exit code of the process.
        remedy: what to do about it, one sentence, or empty.
    """

    code = 70

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message}\n{self.remedy}" if self.remedy else message


class NotReached(DexctlError):
    """The command finished and its answer is no: a threshold missed, no convergence."""

    code = 1


class SafetyStop(DexctlError):
    """The robot was stopped to protect it."""

    code = 10


class UsageError(DexctlError):
    """The command line is wrong."""

    code = 64


class DataError(DexctlError):
    """An input was found and is not what it should be."""

    code = 65


class MissingError(DexctlError):
    """An input does not exist."""

    code = 66


class UnavailableError(DexctlError):
    """A peer, a robot, a camera or a renderer cannot be reached."""

    code = 69


class CreateError(DexctlError):
    """An output cannot be created."""

    code = 73


class InputOutputError(DexctlError):
    """Reading or writing failed half-way: a full disk, a lost file system."""

    code = 74


class TemporaryError(DexctlError):
    """Something that may pass: run the command again."""

    code = 75


class ProtocolError(DexctlError):
    """Two sides, or a file and this program, do not fit together."""

    code = 76


class RefusedError(DexctlError):
    """A permission or a key was refused."""

    code = 77


class ProfileError(DexctlError):
    """A profile is wrong: the message names file, key and what was expected."""

    code = 78

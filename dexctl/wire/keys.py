"""CURVE keys, in the files that ``zmq.auth`` makes and reads, and the folder of allowed ones."""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from pathlib import Path

import zmq.auth
from zmq.utils.z85 import Z85CHARS

from dexctl.errors import DataError, MissingError, RefusedError, UsageError

_Z85 = frozenset(Z85CHARS)


@dataclass(frozen=True)
class ServerKeys:
    """What an optimizer needs: its own keys (Z85) and the folder of the workers it lets in."""

    public: bytes
    secret: bytes = field(repr=False)
    allowed: Path


@dataclass(frozen=True)
class WorkerKeys:
    """What a worker needs: its own keys (Z85) and the optimizer's public key."""

    public: bytes
    secret: bytes = field(repr=False)
    server: bytes


def server_keys(secret: Path, allowed: Path) -> ServerKeys:
    """Read an optimizer's keys.

    Args:
        secret: the optimizer's ``.key_secret`` file.
        allowed: folder of the workers' ``.key`` files; it may change while the optimizer runs.

    Raises:
        MissingError, DataError, RefusedError: a file is not there, is no key file, or can be
            read by others.
    """
    if not allowed.is_dir():
        raise MissingError(f"no folder of allowed keys at {allowed}", "Make it and copy the workers' .key files.")
    public, private = _read_secret(secret)
    return ServerKeys(public, private, allowed)


def worker_keys(secret: Path | None, server: Path | None) -> WorkerKeys | None:
    """Read the keys of who connects, None where neither file is given.

    Args:
        secret: its own ``.key_secret`` file.
        server: the ``.key`` file of the other side.

    Raises:
        UsageError: one is given without the other.
        MissingError, DataError, RefusedError: a file is not there, is no key file, or can be
            read by others.
    """
    if secret is None and server is None:
        return None
    if secret is None or server is None:
        raise UsageError("--key and --server-key go together", "'dexctl keygen PATH' makes key pairs.")
    public, private = _read_secret(secret)
    return WorkerKeys(public, private, _read(server)[0])


class AllowList:
    """Public keys in a folder, read anew when the folder changes.

    A folder that cannot be read lets nobody in.

    Args:
        folder: of ``.key`` files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamp: list[tuple[str, int, int, int]] | None = None
        self.names: dict[bytes, str] = {}
        self.faults: list[str] = []
        self.refresh()

    def refresh(self) -> set[bytes]:
        """Look at the folder; the keys that are not allowed any more."""
        before = set(self.names)
        try:
            files = sorted(path for path in self._folder.iterdir() if path.suffix == ".key")
            stamps = [(path, path.stat()) for path in files]
        except OSError as error:
            self.names, self._stamp = {}, None
            self.faults = [f"the folder of allowed keys cannot be read: {error}"]
            return before
        stamp = [(path.name, at.st_ino, at.st_mtime_ns, at.st_size) for path, at in stamps]
        if stamp != self._stamp:
            self._stamp, self.names, self.faults = stamp, {}, []
            for path in files:
                try:
                    self.names[_read(path)[0]] = path.stem
                except (DataError, MissingError) as error:
                    self.faults.append(str(error))
        return before - set(self.names)


def _read(path: Path) -> tuple[bytes, bytes | None]:
    try:
        public, secret = zmq.auth.load_certificate(path)
    except IndexError:
        # Where zmq.auth finds the word and no '='.
        raise DataError(f"{path}: a key without a value", "Make a key file with dexctl keygen.") from None
    except (OSError, ValueError) as error:
        if not path.exists():
            raise MissingError(f"no key file at {path}", "Make one with dexctl keygen.") from None
        raise DataError(f"{path}: {error}", "Make a key file with dexctl keygen.") from None
    for key in (public, secret):
        if key is not None and len(key) != 40:
            raise DataError(f"{path} holds a key of {len(key)} characters, not 40")
        if key is not None and not _Z85.issuperset(key):
            raise DataError(f"{path} holds a key with characters that no key has", "Copy the file anew, or make one.")
    return public, secret


def _read_secret(path: Path) -> tuple[bytes, bytes]:
    public, secret = _read(path)
    if secret is None:
        raise DataError(f"{path} holds no secret key", "Name the .key_secret file.")
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise RefusedError(f"{path} can be read by others", f"Run chmod 600 {path}.")
    return public, secret

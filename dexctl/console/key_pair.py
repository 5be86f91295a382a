"""CURVE key pairs as ZeroMQ certificate files that only their owner can read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import zmq

from dexctl.errors import CreateError, InputOutputError, UnavailableError
from dexctl.store.whole_file import sync_folder


class KeyPair(NamedTuple):
    """A key pair on disk.

    Attributes:
        public_file: to hand to the other side.
        secret_file: stays here; holds both keys.
        public_key: Z85, 40 characters.
    """

    public_file: Path
    secret_file: Path
    public_key: str


def key_files(path: Path) -> tuple[Path, Path]:
    """Public and secret file of a key pair: ``path.key`` and ``path.key_secret``.

    Raises:
        CreateError: one of them is there already, or their folder is not.
    """
    files = path.with_name(f"{path.name}.key"), path.with_name(f"{path.name}.key_secret")
    for file in files:
        if file.is_symlink() or file.exists():
            raise _exists(file)
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        raise CreateError(f"{path.parent}: not a folder that can be written to", "Make the folder, or name another.")
    return files


def make_key_pair(path: Path) -> KeyPair:
    """Makes a key pair, mode 0600; nothing is ever overwritten.

    Args:
        path: of both files, less their endings ``.key`` and ``.key_secret``.

    Raises:
        CreateError: one of the files is there already, or cannot be made.
        InputOutputError: the disk is full or lost.
        UnavailableError: this ZeroMQ was built without CURVE.
    """
    public_file, secret_file = key_files(path)
    if not zmq.has("curve"):
        raise UnavailableError("this ZeroMQ has no CURVE", "Install pyzmq from its wheel, which has it.")
    public, secret = (key.decode("ascii") for key in zmq.curve_keypair())
    _write_new(secret_file, _certificate(f'    public-key = "{public}"\n    secret-key = "{secret}"\n'))
    try:
        _write_new(public_file, _certificate(f'    public-key = "{public}"\n'))
    except BaseException:
        secret_file.unlink()
        raise
    return KeyPair(public_file, secret_file, public)


def _certificate(keys: str) -> bytes:
    """A certificate as ``zmq.auth.load_certificate`` reads it."""
    return f"metadata\ncurve\n{keys}".encode()


def _write_new(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CreateError(f"{path}: {error.strerror}", "Name a folder that can be written to.") from error
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        # Unlike a rename, a link never replaces what is there.
        os.link(temporary, path)
        sync_folder(path.parent)
    except FileExistsError as error:
        raise _exists(path) from error
    except OSError as error:
        raise InputOutputError(f"{path}: {error.strerror}", "Free some space and run it again.") from error
    finally:
        temporary.unlink()


def _exists(path: Path) -> CreateError:
    return CreateError(f"{path}: there already, and keys are never overwritten", "Choose another name.")

"""Files that appear whole or not at all: temporary file, fsync, rename, fsync of the folder."""

from __future__ import annotations

import os
from pathlib import Path

from dexctl.errors import CreateError, InputOutputError


def write_whole(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Writes a file that replaces an older one in one step and survives a power loss.

    Args:
        path: where it appears; its folder exists.
        content: all of it.
        mode: permissions, less the umask.

    Raises:
        CreateError: nothing can be made there.
        InputOutputError: the disk is full or lost; an older file is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    except OSError as error:
        raise CreateError(f"{path}: {error.strerror}", "Give a place that can be written to.") from error
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputOutputError(f"{path}: {error.strerror}", "Free some space and run it again.") from error


def sync_folder(path: Path) -> None:
    """Makes the names in a folder survive a power loss.

    Raises:
        OSError: the folder cannot be opened or synced.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Makes a file that another program wrote, and its name, survive a power loss.

    Raises:
        OSError: it cannot be opened or synced.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path.parent)

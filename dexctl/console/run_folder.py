"""A run folder: resolved profile, events, checkpoints and a lock, so that the same command resumes."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from dexctl.errors import CreateError, ProfileError, TemporaryError
from dexctl.policy import CHECKPOINTS
from dexctl.profile.load import Loaded, load, shaping_tables
from dexctl.store.whole_file import write_whole

LOCK = "lock"
PROFILE = "profile.toml"
EVENTS = "events.jsonl"


class RunFolder:
    """One run's folder, held under a lock from opening to closing.

    Attributes:
        path: the folder; with ``fresh`` perhaps another than was asked for.
        resumed: whether an earlier process of this run left a checkpoint.
    """

    def __init__(self, path: Path, loaded: Loaded, fresh: bool = False) -> None:
        """Makes the folder or resumes the run in it.

        Args:
            path: the folder asked for.
            loaded: the resolved profile of the run.
            fresh: start over in a new folder beside it (``runs/a-2``) where one is there already.

        Raises:
            TemporaryError: another run works in it.
            ProfileError: its profile is another one.
            CreateError: it cannot be made or written to, or is a folder of something else.
            InputOutputError: the disk is full or lost.
        """
        self.path = _beside(path) if fresh else path
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            names = {entry.name for entry in self.path.iterdir()}
            if names and LOCK not in names:
                raise _something_else(path)
            self._lock = _lock(self.path / LOCK)
        except OSError as error:
            raise CreateError(f"{path}: {error.strerror}", "Give --run a folder that can be written to.") from error
        try:
            self.resumed = _has_checkpoints(self.path)
            if self.resumed:
                _check_same(self.profile_path, loaded)
            write_whole(self.profile_path, loaded.to_toml().encode())
            self.checkpoints.mkdir(exist_ok=True)
        except BaseException:
            self.close()
            raise

    @property
    def profile_path(self) -> Path:
        """The resolved profile, with the origin of each value."""
        return self.path / PROFILE

    @property
    def events_path(self) -> Path:
        """Every event of the run, JSON Lines."""
        return self.path / EVENTS

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / CHECKPOINTS

    @property
    def name(self) -> str:
        """The run's name in its events: the folder's own."""
        return self.path.resolve().name

    def close(self) -> None:
        """Lets the next run in."""
        os.close(self._lock)

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def check_run_folder(path: Path, loaded: Loaded, fresh: bool = False) -> None:
    """Tells what opening would refuse, and touches nothing: for a dry run.

    Raises:
        TemporaryError: another run works in it.
        ProfileError: the profile in it is another one.
        CreateError: it cannot be made or written to.
    """
    if fresh:
        path = _beside(path)
    if (path / LOCK).exists():
        descriptor = os.open(path / LOCK, os.O_RDONLY | os.O_CLOEXEC)
        _take(descriptor, path / LOCK)
        os.close(descriptor)
    elif path.is_dir() and any(path.iterdir()):
        raise _something_else(path)
    if _has_checkpoints(path):
        _check_same(path / PROFILE, loaded)
    nearest = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise CreateError(f"{path}: {nearest} cannot be written to", "Give --run a folder that can be written to.")


def _has_checkpoints(path: Path) -> bool:
    return (path / CHECKPOINTS).is_dir() and any((path / CHECKPOINTS).iterdir())


def _something_else(path: Path) -> CreateError:
    return CreateError(f"{path}: a folder of something else", "Give --run a new folder.")


def _beside(path: Path) -> Path:
    number, beside = 1, path
    while beside.exists():
        number += 1
        beside = path.with_name(f"{path.name}-{number}")
    return beside


def _lock(path: Path) -> int:
    """Takes the lock and writes into it who holds it; returns its descriptor."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    _take(descriptor, path)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
    return descriptor


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 1024, 0).decode(errors="replace").strip() or "another process"
        os.close(descriptor)
        remedy = "Wait for it, or start another run with --fresh."
        raise TemporaryError(f"{path.parent}: {holder} works in it", remedy) from None


def _check_same(path: Path, loaded: Loaded) -> None:
    there = load(str(path), environment={})
    if there.digest == loaded.digest:
        return
    before, after = _leaves(shaping_tables(there.profile)), _leaves(shaping_tables(loaded.profile))
    keys = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    shown = ", ".join(keys[:8]) + (f" and {len(keys) - 8} more" if len(keys) > 8 else "")
    raise ProfileError(
        f"{path.parent}: this run has another profile; they differ in {shown}",
        "Give the run's own profile to resume it, or --fresh to start over beside it.",
    )


def _leaves(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for name, value in table.items():
        leaves |= _leaves(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return leaves

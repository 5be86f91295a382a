"""Parameters shared by all processes of one host, through one file in shared memory.

The file is written beside its name and renamed, so a reader maps a whole version or none, and
keeps it mapped while a newer one takes the name. Its writer holds a lock on it: a file without a
locked writer was left by a process that was killed, and is removed by the next one to come.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import stat
import tempfile
import uuid
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Block:
    """Bytes of parameters that are being written: in shared memory, or private.

    Attributes:
        memory: writable, zeros at first.
    """

    def __init__(self, memory: memoryview, descriptor: int = -1, path: Path | None = None) -> None:
        self.memory = memory
        self._descriptor = descriptor
        self._path = path

    def rename(self, target: Path) -> bool:
        """Give the block the name under which others find it; whether that worked."""
        if self._path is None:
            return False
        try:
            self._path.rename(target)
        except OSError:
            return False
        self._path = target
        return True

    def close(self) -> None:
        """Let go of the file: its bytes live as long as something maps them."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                if self._path and os.fstat(self._descriptor).st_ino == self._path.stat().st_ino:
                    self._path.unlink()
            os.close(self._descriptor)
            self._descriptor = -1


class SharedFolder:
    """The folder of this user in the host's shared memory.

    Args:
        path: another folder; by default one in ``/dev/shm``, or where temporary files go.

    Attributes:
        identity: equal for processes that see the same folder, empty when there is none.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or _default_folder()
        self.identity = ""
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = self._path.lstat()
        except OSError:
            return
        # A folder of somebody else could hand us their parameters.
        private = stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o022
        if private and status.st_uid == os.getuid():
            boot = BOOT_ID.read_text().strip() if BOOT_ID.exists() else uuid.getnode()
            self.identity = f"{boot}:{status.st_dev}:{status.st_ino}"
            self._sweep()

    def create(self, size: int) -> Block:
        """A block of zeros: shared when there is room, private otherwise."""
        if not self.identity:
            return Block(memoryview(bytearray(size)))
        path = self._path / f"{uuid.uuid4().hex}.part"
        descriptor = -1
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(path, flags, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Without the room set aside, writing to a full folder ends the process by a signal.
            os.posix_fallocate(descriptor, 0, size)
            return Block(memoryview(mmap.mmap(descriptor, size)), descriptor, path)
        except OSError:
            if descriptor >= 0:
                os.close(descriptor)
                path.unlink(missing_ok=True)
            return Block(memoryview(bytearray(size)))

    def publish(self, name: str, block: Block) -> bool:
        """Name a written block, in place of the one before; whether others can see it."""
        return bool(self.identity) and block.rename(self._path / name)

    def load(self, name: str) -> memoryview | None:
        """Map a published block, copy-on-write, or nothing when there is none."""
        if not self.identity:
            return None
        try:
            descriptor = os.open(self._path / name, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return memoryview(mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY))
        except (OSError, ValueError):
            return None
        finally:
            os.close(descriptor)

    def _sweep(self) -> None:
        for path in self._path.iterdir():
            with contextlib.suppress(OSError):
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                finally:
                    os.close(descriptor)


def _default_folder() -> Path:
    memory = Path("/dev/shm")
    root = memory if memory.is_dir() else Path(tempfile.gettempdir())
    return root / f"dexctl-{os.getuid()}"

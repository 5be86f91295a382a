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


class SharedBlock:
    """Bytes in shared memory that are being written.

    Args:
        path: of the new file.
        size: in bytes.

    Raises:
        OSError: there is no room.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.posix_fallocate(self._descriptor, 0, size)
        except OSError:
            self.close()
            raise

    def write(self, offset: int, content: memoryview) -> None:
        """Write some of it; the room is set aside already."""
        # Writing through a mapping would take twice the time, in page faults.
        while content:
            count = os.pwrite(self._descriptor, content, offset)
            offset, content = offset + count, content[count:]

    def load(self) -> memoryview:
        """Map it copy-on-write: a writer changes its own copy alone."""
        return memoryview(mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_COPY))

    def rename(self, target: Path) -> None:
        """Give it the name under which others find it.

        Raises:
            OSError: somebody removed it meanwhile.
        """
        self._path.rename(target)
        self._path = target

    def close(self) -> None:
        """Remove the file, if it still has its name; its bytes live as long as something maps them."""
        with contextlib.suppress(OSError):
            if os.fstat(self._descriptor).st_ino == self._path.stat().st_ino:
                self._path.unlink()
        os.close(self._descriptor)


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

    def create(self, size: int) -> SharedBlock | None:
        """A block to be written, or nothing when there is no folder or no room."""
        if not self.identity:
            return None
        try:
            return SharedBlock(self._path / f"{uuid.uuid4().hex}.part", size)
        except OSError:
            return None

    def publish(self, name: str, block: SharedBlock) -> bool:
        """Name a written block, in place of the one before; whether others can see it."""
        try:
            block.rename(self._path / name)
        except OSError:
            return False
        return True

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

"""A descriptor that one thread rings and another polls."""

from __future__ import annotations

import contextlib
import select
import socket


class Doorbell:
    """Wakes a thread that polls ``fileno()``; rings before the thread looks are kept as one."""

    def __init__(self) -> None:
        self._listen, self._ring = socket.socketpair()
        self._listen.setblocking(False)
        self._ring.setblocking(False)
        self._rung = False

    def fileno(self) -> int:
        """Descriptor that becomes readable when the bell rings."""
        return self._listen.fileno()

    def ring(self) -> None:
        """Wake whoever polls; never blocks, and is silent after ``close``."""
        if self._rung:
            return
        self._rung = True
        try:
            self._ring.send(b"\0")
        except (BlockingIOError, OSError):
            # After close nobody listens.
            return

    def clear(self) -> None:
        """Take the rings so far; look at what they stand for after this, not before."""
        with contextlib.suppress(BlockingIOError):
            self._listen.recv(16)
        # After the byte is gone: a ring that is skipped before this line is seen by who looks after it.
        self._rung = False

    def wait(self, timeout_s: float, wakeup_fd: int | None = None) -> bool:
        """Wait for a ring.

        Args:
            timeout_s: at most so long.
            wakeup_fd: a descriptor that ends the wait as well; it is not read.

        Returns:
            Whether ``wakeup_fd`` is readable.
        """
        poll = select.poll()
        poll.register(self._listen, select.POLLIN)
        if wakeup_fd is not None:
            poll.register(wakeup_fd, select.POLLIN)
        ready = [descriptor for descriptor, _ in poll.poll(max(0.0, timeout_s) * 1000)]
        self.clear()
        return wakeup_fd in ready

    def close(self) -> None:
        """Free the descriptors."""
        self._listen.close()
        self._ring.close()

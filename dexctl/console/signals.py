"""Signals as flags: the first asks to stop in good order, the second leaves now."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from dexctl.console.exit_codes import Stopped

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """While entered, INT, TERM and HUP set a flag, and USR1 asks for a status event.

    The descriptor of ``fileno`` turns readable with every signal. Register it in a poller
    (``poller.register(signals, zmq.POLLIN)``) and ``drain`` it: a poll goes on after a handler
    that only sets a flag. A signal that was ignored before (nohup, a shell's background job)
    stays ignored. Only the main thread can enter.

    Attributes:
        stopped_by: number of the signal that asked to stop, None before.
    """

    def __init__(self) -> None:
        self.stopped_by: int | None = None
        self._status_wanted = False
        self._before: dict[signal.Signals, Any] = {}
        self._wakeup_before = -1
        self._read = self._write = -1

    def __enter__(self) -> Signals:
        assert threading.current_thread() is threading.main_thread(), "signals arrive in the main thread"
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._wakeup_before = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in STOPPING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._stop)
        self._before[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, self._want_status)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._read)
        os.close(self._write)

    def fileno(self) -> int:
        """Descriptor that is readable when a signal has come."""
        return self._read

    def drain(self) -> None:
        """Takes the wake-up bytes away, so that the descriptor waits for the next signal."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._read, 64):
                pass

    def wait(self, timeout_s: float) -> bool:
        """Waits for a signal, at most so long; tells whether one came."""
        came = bool(select.select([self._read], [], [], timeout_s)[0])
        self.drain()
        return came

    def take_status_request(self) -> bool:
        """Whether a status event was asked for since the last time."""
        wanted, self._status_wanted = self._status_wanted, False
        return wanted

    def raise_if_stopped(self) -> None:
        """Ends the command once all is in good order.

        Raises:
            Stopped: a signal asked to stop.
        """
        if self.stopped_by is not None:
            raise Stopped(self.stopped_by)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self.stopped_by is not None:
            os._exit(128 + number)
        self.stopped_by = number

    def _want_status(self, number: int, frame: FrameType | None) -> None:
        self._status_wanted = True

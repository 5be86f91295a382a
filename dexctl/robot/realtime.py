"""A thread that keeps time: scheduled before all others where the system allows it, with pinned memory."""

from __future__ import annotations

import ctypes
import dataclasses
import gc
import os
import sys
import threading
import time
from collections.abc import Callable

# The loop goes before the thread that talks to the controller, that before the controller, that before what writes
# its steps down, and all before everybody else.
LOOP_PRIORITY = 50
TALK_PRIORITY = 40
CONTROL_PRIORITY = 30
RECORD_PRIORITY = 20
# mlockall(2): what is there, and what will be.
_LOCK_ALL = 1 | 2
# mallopt(3): sizes of which the heap's top is given back, and from which a block is the system's own, at most 32 MiB.
_TRIM, _MAP = -1, -3
_NEVER_TRIM, _LARGEST_KEPT = 2**31 - 1, 32 << 20
# A thread that waits for Python's lock gets it after this; the default of 5 ms is five periods.
_SWITCH_S = 1e-4
# Farther behind than this, missed periods are given up in place of being run one after the other.
_GIVE_UP_S = 0.05
_ON_TIME_S = 0.5e-3


def pin_memory() -> str:
    """Keeps the process's memory from being swapped out; the reason where that failed, else empty."""
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "mlockall"):
        return "this system has no mlockall"
    return "" if library.mlockall(_LOCK_ALL) == 0 else os.strerror(ctypes.get_errno())


def keep_memory() -> bool:
    """Keeps what is freed for the next who asks: fresh memory for a network's maps costs a third of its time.

    Returns:
        Whether this system's allocator can be told so.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, "mallopt"):
        return False
    return bool(library.mallopt(_TRIM, _NEVER_TRIM) and library.mallopt(_MAP, _LARGEST_KEPT))


def schedule_first(priority: int) -> str:
    """Puts the calling thread before all ordinary ones (SCHED_FIFO); the reason where that failed, else empty."""
    if not hasattr(os, "SCHED_FIFO"):
        return "this system has no SCHED_FIFO"
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        return error.strerror or "refused"
    return ""


def schedule_as_others() -> None:
    """Takes the calling thread back among the ordinary ones."""
    if hasattr(os, "SCHED_OTHER"):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def keep_garbage() -> None:
    """Collects what is garbage now, and no more of it until the next call: a collection takes a control step's time."""
    gc.collect()
    gc.freeze()
    gc.disable()


def switch_threads_quickly() -> None:
    """Lets a waiting thread take Python's lock after a tenth of a millisecond."""
    sys.setswitchinterval(_SWITCH_S)


@dataclasses.dataclass
class Punctuality:
    """How well a loop kept its time.

    Attributes:
        periods: so far; on_time: of them, begun within half a millisecond of their time.
        worst_s: latest begin; skipped: periods given up.
    """

    periods: int = 0
    on_time: int = 0
    worst_s: float = 0.0
    skipped: int = 0

    @property
    def share(self) -> float:
        """Share of all periods that began on time."""
        return self.on_time / max(1, self.periods + self.skipped)

    def note(self, late_s: float) -> None:
        """Takes one period that began so late."""
        self.periods += 1
        self.on_time += late_s <= _ON_TIME_S
        self.worst_s = max(self.worst_s, late_s)


class Loop(threading.Thread):
    """Calls a function at an absolute rhythm of the monotonic clock until it is stopped.

    Attributes:
        punctuality: how well it kept time.
        scheduling: why it could not be scheduled first, or empty; known once ``ready`` is set.
        failure: what ended it, if anything did.
    """

    def __init__(self, period_s: float, turn: Callable[[int], None]) -> None:
        """Args: turn: called with the number of periods since the last call: 1, or more after a pause."""
        super().__init__(name="dexctl-loop", daemon=True)
        self.punctuality = Punctuality()
        self.scheduling = ""
        self.ready = threading.Event()
        self.failure: BaseException | None = None
        self._period_s, self._turn = period_s, turn
        self._stopped = False

    def run(self) -> None:
        """Keeps time until stopped."""
        self.scheduling = schedule_first(LOOP_PRIORITY)
        self.ready.set()
        try:
            self._keep_time()
        except BaseException as error:
            self.failure = error

    def _keep_time(self) -> None:
        due_s = time.monotonic()
        while not self._stopped:
            due_s += self._period_s
            wait_s = due_s - time.monotonic()
            if wait_s > 0:
                time.sleep(wait_s)
            late_s = time.monotonic() - due_s
            passed = 1
            if late_s > _GIVE_UP_S:
                passed += int(late_s / self._period_s)
                self.punctuality.skipped += passed - 1
                due_s += (passed - 1) * self._period_s
            self.punctuality.note(late_s)
            self._turn(passed)

    def stop(self) -> None:
        """Ends the loop and waits for it."""
        self._stopped = True
        if self.is_alive():
            self.join(timeout=1.0)

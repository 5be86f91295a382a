"""What the optimizer expects of its peers, and when its patience with one ends.

No clocks: it is told what a peer did and when.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from dexctl.profile import schema
from dexctl.wire.connections import Connection
from dexctl.wire.layout import Layout
from dexctl.wire.messages import WORKER_CONTROL_BYTES, Fault
from dexctl.wire.roster import Session

# A connection that has not said a proper hello after this is cut.
HELLO_S = 10.0
SLACK_BYTES = 1 << 20
# A segment takes seconds, the first one minutes where simulations are made ready; nobody works so long on one.
STALLED_S = 600.0
# Heartbeats and the like between two looks, a tenth of a second or, with thousands, some seconds apart.
WORDS = 256
# To look at thousands ten times a second would take a quarter of the thread's time.
LOOKS = 512
# After such a pause of its own the optimizer looks at all at once, as the pause counts for all.
PAUSE_S = 1.0

One = TypeVar("One")


class Round(Generic[One]):
    """Goes round a crowd that changes, some at a time: a small one is seen whole at every look."""

    def __init__(self) -> None:
        self._left: list[One] = []

    def next(self, everybody: Callable[[], list[One]], pause_s: float) -> list[One]:
        """Those whose turn it is; they may have gone since their round began.

        Args:
            everybody: who is there when a new round begins.
            pause_s: how long the optimizer itself was stopped since the last look.
        """
        all_at_once = pause_s > PAUSE_S
        if all_at_once or not self._left:
            self._left = everybody()
        most = len(self._left) if all_at_once else LOOKS
        turn, self._left = self._left[:most], self._left[most:]
        return turn


class Vigil:
    """Watches the connections and sessions of one optimizer.

    Args:
        wire: heartbeats and timeouts.
        layout: of the segments.
        may_wait: whether a worker may hold a credit for as long as it likes, as a synchronous one does
            that waits for the others.
    """

    def __init__(self, wire: schema.Wire, layout: Layout, may_wait: bool) -> None:
        self._timeout_s = wire.timeout_s
        self._may_wait = may_wait
        self._unread_bytes = wire.credits * layout.num_bytes * 101 // 100 + SLACK_BYTES
        # What a side that was stopped finds waiting are the heartbeats of one timeout.
        self._words = WORDS + int(2 * wire.timeout_s / wire.heartbeat_s)

    def count(self, session: Session) -> None:
        """A message came that takes no credit and asks for nothing.

        Raises:
            Fault: too many since the last look.
        """
        session.words += 1
        if session.words > self._words:
            raise Fault(f"more than {self._words} heartbeats at once")

    def look(self, session: Session, holds_credit: bool, now_s: float, pause_s: float) -> str:
        """Looks at a session.

        Args:
            holds_credit: whether it could send a segment.
            pause_s: how long the optimizer itself was stopped since the last look.

        Returns:
            Why it is to be given up; empty for most.
        """
        session.words = 0
        session.heard_s += pause_s
        session.worked_s = session.worked_s + pause_s if holds_credit else now_s
        session.mark(now_s)
        silent_s = now_s - session.heard_s
        if silent_s > self._timeout_s and session.connection:
            silent_s = min(silent_s, session.connection.silent_s())
        if silent_s > self._timeout_s:
            return f"silent for {silent_s:.1f} s"
        idle_s = now_s - session.worked_s
        if idle_s > STALLED_S and not self._may_wait:
            return f"no segment in {idle_s:.0f} s, with leave to send one: it hangs, or is far too slow"
        return ""

    def complaint(self, connection: Connection, now_s: float) -> str:
        """Why a connection is to be cut; empty for most, and for one that is closed already."""
        if connection.handle.fileno() < 0:
            return ""
        if connection.undelivered() > (self._unread_bytes if connection.worker else SLACK_BYTES + WORKER_CONTROL_BYTES):
            return "a message without an end"
        if not connection.worker and now_s - connection.opened_s > HELLO_S:
            return f"no hello in {HELLO_S:.0f} s"
        return ""

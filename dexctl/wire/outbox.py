"""Segments that a worker has made and the optimizer has not acknowledged."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from dexctl.wire.messages import SegmentHeader


@dataclass(eq=False)
class Outgoing:
    """One segment.

    Attributes:
        frames: bytes of its arrays, which nobody may change any more.
        sent: whether it went out over the present connection.
    """

    header: SegmentHeader
    frames: list[memoryview]
    sent: bool = False


class Outbox:
    """Keeps segments until they are acknowledged, and says which may go out.

    Attributes:
        credits: segments that may go out now.
    """

    def __init__(self) -> None:
        self.credits = 0
        self._kept: deque[Outgoing] = deque()
        self._sequence = 0

    @property
    def room(self) -> bool:
        """Whether a further segment would go out at once."""
        return self.credits > sum(not outgoing.sent for outgoing in self._kept)

    @property
    def before(self) -> int:
        """Sequence number of the last segment before those that are kept."""
        return self._kept[0].header.sequence - 1 if self._kept else self._sequence

    def next_sequence(self) -> int:
        """A sequence number, never given before."""
        self._sequence += 1
        return self._sequence

    def add(self, outgoing: Outgoing) -> None:
        """Keep a segment."""
        self._kept.append(outgoing)

    def due(self) -> Outgoing | None:
        """The next segment to send, if there is one and a credit for it."""
        if not self.credits:
            return None
        return next((outgoing for outgoing in self._kept if not outgoing.sent), None)

    def mark_sent(self, outgoing: Outgoing) -> None:
        """A segment went out."""
        outgoing.sent = True
        self.credits -= 1

    def forget(self, taken: Iterable[int]) -> None:
        """Segments were acknowledged."""
        gone = set(taken)
        self._kept = deque(o for o in self._kept if o.header.sequence not in gone)

    def move(self) -> None:
        """Another optimizer is tried: what may have reached the first must not reach it too."""
        self.credits = 0
        self._kept = deque(outgoing for outgoing in self._kept if not outgoing.sent)

    def resume(self, received: int, outstanding: Iterable[int], granted: int) -> None:
        """Go on after a hello.

        Args:
            received: highest sequence number that arrived before.
            outstanding: those up to ``received`` that are not acknowledged.
            granted: segments that may go out now.
        """
        waiting = set(outstanding)
        self._kept = deque(o for o in self._kept if o.header.sequence > received or o.header.sequence in waiting)
        for outgoing in self._kept:
            outgoing.sent = outgoing.header.sequence <= received
        self.credits = granted

    def drop_newer(self, version: int) -> None:
        """Forget experience of versions that a restarted optimizer has lost."""
        self._kept = deque(o for o in self._kept if o.header.version <= version)

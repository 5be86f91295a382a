"""The optimizer's book of workers: who may come in, and which segment may be counted.

No sockets and no clocks: it is told what arrives and when, and says what follows.
"""

from __future__ import annotations

import math
import secrets
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from dexctl.wire.connections import Connection
from dexctl.wire.layout import Layout
from dexctl.wire.messages import Announce, Fault, Hello, SegmentHeader, WorkerView

# What is remembered of workers that went: a few hundred bytes each.
REMEMBERED = 10_000
# A worker's rate is taken over the last minute.
MARK_S, MARKS = 5.0, 13


@dataclass
class Mail:
    """What is to be said to a worker as soon as its connection takes it.

    Attributes:
        taken: acknowledged sequence numbers.
        credits: new ones.
        announcement: of the newest version it may know of.
        pieces: version and offset of the parameters it asked for.
    """

    taken: list[int] = field(default_factory=list)
    credits: int = 0
    announcement: Announce | None = None
    pieces: deque[tuple[int, int]] = field(default_factory=deque)


@dataclass
class Session:
    """One worker process, over all its connections.

    Attributes:
        user: the key it came with, empty without CURVE.
        route: ZeroMQ's name of its connection; None while it is lost.
        heard_s: when a message came last.
        worked_s: when a segment came last, or there was no credit to send one.
        words: messages since the last look that take no credit.
        received: highest sequence number that arrived.
        outstanding: those that arrived and are not acknowledged.
        segments: how many were counted.
        version: newest that it said to act with.
        marks: when so many segments had been counted, oldest first.
        confirmed: whether it has shown that the welcome reached it.
    """

    hello: Hello
    user: str
    index: int
    token: bytes
    received: int
    route: bytes | None = None
    connection: Connection | None = None
    heard_s: float = 0.0
    worked_s: float = 0.0
    words: int = 0
    lost_s: float = 0.0
    outstanding: set[int] = field(default_factory=set)
    segments: int = 0
    version: int = 0
    marks: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=MARKS))
    confirmed: bool = False
    mail: Mail = field(default_factory=Mail)

    @property
    def name(self) -> str:
        """Id of the worker."""
        return self.hello.worker

    def mark(self, now_s: float) -> None:
        """Remember how many segments there are, every ``MARK_S``."""
        if not self.marks or now_s - self.marks[-1][0] >= MARK_S:
            self.marks.append((now_s, self.segments))

    def segments_per_s(self, now_s: float) -> float:
        """Over the last minute, or since it came."""
        then_s, segments = self.marks[0] if self.marks else (now_s, self.segments)
        return (self.segments - segments) / max(now_s - then_s, 1e-9)


class Roster:
    """Sessions by worker id.

    Args:
        digest: of the profile.
        layout: of the segments.
        forget_index_s: a worker lost for so long frees its index.
        indices: to be given to workers.
        only: names of the workers that are let in, None for any.
    """

    def __init__(
        self,
        digest: str,
        layout: Layout,
        forget_index_s: float,
        indices: range = range(1 << 30),
        only: frozenset[str] | None = None,
    ) -> None:
        self._digest = digest
        self._layout = layout
        self._forget_index_s = forget_index_s
        self._indices = indices
        self._only = only
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._routes: dict[bytes, Session] = {}
        self._blocked: OrderedDict[tuple[str, int], str] = OrderedDict()

    def living(self) -> list[Session]:
        """Sessions that have a connection."""
        return list(self._routes.values())

    def of_route(self, route: bytes) -> Session | None:
        """Session of a connection, if it has said hello and has not moved on to a newer one."""
        return self._routes.get(route)

    def of_worker(self, worker: str) -> Session | None:
        """Session of a worker id, living or lost."""
        return self._sessions.get(worker)

    def views(self, now_s: float, newest: int) -> list[WorkerView]:
        """Living workers, by index; ``newest`` is the version published last."""
        views = [
            WorkerView(
                worker=session.index,
                name=session.name,
                host=session.hello.host,
                pid=session.hello.pid,
                address=session.connection.host if session.connection else "",
                silent_s=now_s - session.heard_s,
                segments=session.segments,
                steps_per_s=session.segments_per_s(now_s) * self._layout.steps * self._layout.environments,
                version=session.version,
                staleness=max(0, newest - session.version),
            )
            for session in self.living()
        ]
        return sorted(views, key=lambda view: view.worker)

    def greet(self, hello: Hello, user: str, route: bytes, now_s: float) -> Session:
        """Let a worker in, for the first time or again.

        Raises:
            Fault: it may not come in.
        """
        self._check(hello, user)
        known = self._sessions.get(hello.worker)
        if known and known.hello.incarnation == hello.incarnation:
            session = known
            if session.route is not None:
                del self._routes[session.route]
            session.hello, session.mail = hello, Mail()
            # The worker dropped what it sent elsewhere meanwhile; those numbers never come.
            session.received = max(session.received, hello.sequence)
        else:
            index = known.index if known and known.index >= 0 else self._free_index()
            token = secrets.token_bytes(16)
            session = Session(hello, user, index, token, hello.sequence)
            self._sessions[hello.worker] = session
        if session.index < 0:
            session.index = self._free_index()
        session.route, session.heard_s, session.worked_s = route, now_s, now_s
        session.marks.clear()
        session.mark(now_s)
        self._routes[route] = session
        self._sessions.move_to_end(hello.worker)
        return session

    def take(
        self,
        session: Session,
        header: SegmentHeader,
        frames: Sequence[memoryview],
        newest: int,
    ) -> dict[str, np.ndarray]:
        """Check a segment and count it.

        Args:
            frames: bytes of the arrays.
            newest: version published last.

        Returns:
            Arrays over the frames.

        Raises:
            Fault: it is not what the layout, the order or the version allow.
        """
        layout = self._layout
        if header.worker != session.name:
            raise Fault(f"a segment in the name of {header.worker}")
        if header.sequence <= session.received:
            raise Fault(f"segment {header.sequence} came before, after it {session.received}")
        if header.version > newest:
            raise Fault(f"policy version {header.version}, {newest} is the newest")
        if (header.steps, header.environments) != (layout.steps, layout.environments):
            raise Fault(
                f"{header.steps} steps of {header.environments} environments,"
                f" the layout has {layout.steps} of {layout.environments}"
            )
        if not all(math.isfinite(value) for value in header.report.values()):
            raise Fault("a report with a number that is not finite")
        try:
            arrays = layout.arrays_of(frames)
        except ValueError as error:
            raise Fault(f"segment {header.sequence}: {error}") from None
        session.received = header.sequence
        session.outstanding.add(header.sequence)
        session.segments += 1
        session.version = max(session.version, header.version)
        return arrays

    def lose(self, session: Session, now_s: float) -> None:
        """A worker's connection is gone; it may come back."""
        if session.route is not None:
            del self._routes[session.route]
        session.route, session.connection, session.lost_s = None, None, now_s
        while len(self._sessions) - len(self._routes) > REMEMBERED:
            oldest = next(s for s in self._sessions.values() if s.route is None)
            del self._sessions[oldest.name]

    def leave(self, session: Session, now_s: float) -> None:
        """A worker said goodbye: its index is free at once."""
        self.lose(session, now_s)
        session.index = -1

    def block(self, session: Session, reason: str) -> None:
        """Never let this process in again."""
        self._blocked[session.name, session.hello.incarnation] = reason
        if len(self._blocked) > REMEMBERED:
            self._blocked.popitem(last=False)

    def free_indices(self, now_s: float) -> None:
        """Take the index from workers that are lost for long."""
        for session in self._sessions.values():
            if session.route is None and now_s - session.lost_s > self._forget_index_s:
                session.index = -1

    def _check(self, hello: Hello, user: str) -> None:
        if hello.digest not in ("", self._digest):
            raise Fault(f"the worker's profile is {hello.digest[:12]}, the optimizer's {self._digest[:12]}")
        if hello.layout not in ("", self._layout.digest):
            raise Fault("the worker's segments have another layout than the optimizer's")
        blocked = self._blocked.get((hello.worker, hello.incarnation))
        if blocked is not None:
            raise Fault(f"refused before: {blocked}")
        if self._only is not None and hello.worker not in self._only:
            # Not for ever: an optimizer that comes after this one may wait for nobody.
            raise Fault(f"the training is synchronous and takes its own workers alone, not {hello.worker}", 75)
        known = self._sessions.get(hello.worker)
        if known is None:
            return
        if known.user != user:
            raise Fault(f"worker {hello.worker} came with another key before", 77)
        if known.hello.incarnation != hello.incarnation:
            if known.route is not None:
                raise Fault(f"another process is worker {hello.worker}", 75)
        # A connection may break before the first welcome arrives: then there is no token to show.
        elif (hello.token or known.confirmed) and not secrets.compare_digest(known.token, hello.token):
            raise Fault(f"worker {hello.worker} without the token it was given")

    def _free_index(self) -> int:
        taken = {session.index for session in self._sessions.values()}
        return next(index for index in self._indices if index not in taken)

"""What an optimizer says to its workers.

Nothing is queued for a worker that ZeroMQ does not take at once: it waits, once, in the session's
mail, so a worker that reads slowly costs its mail and a few messages of memory.
"""

from __future__ import annotations

import zmq

from dexctl.wire.arrivals import Segment
from dexctl.wire.credits import Credits
from dexctl.wire.editions import Editions
from dexctl.wire.messages import (
    PIECE_BYTES,
    PIECES_AHEAD,
    Alive,
    Announce,
    Credit,
    Fault,
    FromOptimizer,
    Gone,
    Piece,
    encode,
)
from dexctl.wire.roster import Roster, Session


class Correspondence:
    """Sends to sessions of a roster.

    Args:
        server: the ROUTER; it reports a route that is gone or full.
        roster: whose sessions are written to.
        credits: whose grants are passed on.
        editions: whose announcements are passed on, and whose bytes are sent.
    """

    def __init__(self, server: zmq.Socket[bytes], roster: Roster, credit: Credits, editions: Editions) -> None:
        self._server = server
        self._roster, self._credits, self._editions = roster, credit, editions
        self._mailed: set[str] = set()

    def taken(self, segment: Segment) -> None:
        """Give a segment's credit back, and tell its worker that it may be forgotten."""
        sequence = segment.header.sequence
        self._credits.acknowledge(segment.header.worker)
        session = self._roster.of_worker(segment.header.worker)
        if session and session.hello.incarnation == segment.incarnation:
            session.outstanding.discard(sequence)
            session.mail.taken.append(sequence)
            self._mailed.add(session.name)

    def ask(self, session: Session, version: int, offset: int) -> None:
        """Send a worker a piece of the parameters.

        Raises:
            Fault: it asks for more than it should at once.
        """
        if len(session.mail.pieces) >= PIECES_AHEAD:
            raise Fault(f"more than {PIECES_AHEAD} pieces asked for at once")
        session.mail.pieces.append((version, offset))
        self._mailed.add(session.name)

    def grant(self, new: str = "") -> int:
        """Hand out free credits; those of worker ``new`` are returned, not mailed."""
        grants = self._credits.grant()
        own = grants.pop(new, 0)
        for worker, granted in grants.items():
            session = self._roster.of_worker(worker)
            if session:
                session.mail.credits += granted
                self._mailed.add(worker)
        return own

    def speak(self, now_s: float) -> None:
        """Say what there is to say."""
        self.grant()
        for worker, version, size, share in self._editions.due(now_s):
            session = self._roster.of_worker(worker)
            if session:
                session.mail.announcement = Announce(version=version, size=size, share=share)
                self._mailed.add(worker)
        for worker in list(self._mailed):
            session = self._roster.of_worker(worker)
            if session is None or session.route is None or self._post(session, now_s):
                self._mailed.discard(worker)

    def beat(self) -> None:
        """Tell every worker that the optimizer lives."""
        for session in self._roster.living():
            self.send(session, Alive())

    def send(self, session: Session, message: FromOptimizer, body: memoryview | None = None) -> bool:
        """Send one message; whether it was taken."""
        return session.route is not None and self.send_to(session.route, message, body)

    def send_to(self, route: bytes, message: FromOptimizer, body: memoryview | None = None) -> bool:
        """Send one message over a connection; whether it was taken."""
        frames: list[bytes | memoryview] = [route, encode(message)]
        if body is not None:
            frames.append(body)
        try:
            self._server.send_multipart(frames, zmq.NOBLOCK, copy=body is None)
        except zmq.ZMQError as error:
            # A full queue is tried again; of a route that is gone, the monitor will tell.
            if error.errno in (zmq.EAGAIN, zmq.EHOSTUNREACH):
                return False
            raise
        return True

    def _post(self, session: Session, now_s: float) -> bool:
        mail = session.mail
        if mail.taken or mail.credits:
            if not self.send(session, Credit(taken=mail.taken, credits=mail.credits)):
                return False
            mail.taken, mail.credits = [], 0
        if mail.announcement:
            if not self.send(session, mail.announcement):
                return False
            mail.announcement = None
        while mail.pieces:
            version, offset = mail.pieces[0]
            block = self._editions.fetch(session.name, version, now_s)
            if block is None:
                sent = self.send(session, Gone(version=version))
            else:
                sent = self.send(session, Piece(version=version, offset=offset), block[offset : offset + PIECE_BYTES])
            if not sent:
                return False
            mail.pieces.popleft()
        return True

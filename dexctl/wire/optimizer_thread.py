"""The thread that owns an optimizer's socket.

It answers heartbeats, checks segments and serves parameters while the process computes for
minutes, so a busy optimizer is never taken for a dead one.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import deque
from collections.abc import Callable

import zmq

from dexctl.profile import schema
from dexctl.wire.arrivals import Arrival, Complaints, Joined, Lost, Segment
from dexctl.wire.connections import FAILED, Connection, Connections
from dexctl.wire.correspondence import Correspondence
from dexctl.wire.credits import Credits
from dexctl.wire.doorbell import Doorbell
from dexctl.wire.editions import Editions
from dexctl.wire.gate import Gate
from dexctl.wire.layout import Layout
from dexctl.wire.messages import (
    WORKER_CONTROL_BYTES,
    Answer,
    Ask,
    Dismiss,
    Fault,
    Fetch,
    Goodbye,
    Have,
    Hello,
    Ping,
    Refuse,
    SegmentHeader,
    Welcome,
    WorkerView,
    decode_from_worker,
)
from dexctl.wire.roster import Roster, Session
from dexctl.wire.vigil import Round, Vigil

# How long a refused peer keeps its connection, so that the reason reaches it.
FAREWELL_S = 0.3
# How long the socket may go on sending after it is closed.
LINGER_S = 0.3
# Framing and encryption of one frame, at most.
FRAME_OVERHEAD_BYTES = 64
# How long an optimizer that is done waits for its workers: what is under way when a connection ends may be lost.
DISMISSAL_S = 1.0
# With so many arrivals not taken yet, refusals are counted and told of later.
WAITING_ARRIVALS = 4096
MESSAGES_A_TURN = 64
# The clocks are looked at although messages wait when they were not for so many times as long as usual.
OVERDUE_TICKS = 3


class OptimizerThread(threading.Thread):
    """Serves the workers of one optimizer.

    Args:
        context: its own, ended here.
        server: a bound ROUTER.
        connections: those of ``server``.
        gate: answers handshakes, or None without encryption.
        identity: digest of the profile, the profile as JSON, and the run's seed.

    Attributes:
        inbox: what arrived; the bell rings when it grows.
        failure: what ended the thread, if anything did.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        server: zmq.Socket[bytes],
        connections: Connections,
        gate: Gate | None,
        identity: tuple[str, bytes, int],
        layout: Layout,
        wire: schema.Wire,
        indices: range,
        only: frozenset[str] | None,
    ) -> None:
        super().__init__(name="dexctl-wire", daemon=True)
        self.instance = secrets.token_hex(16)
        self.inbox: deque[Arrival] = deque()
        self.bell = Doorbell()
        self.failure: BaseException | None = None
        self._context, self._server = context, server
        self._connections, self._gate = connections, gate
        self._digest, self._profile, self._seed = identity
        self._layout, self._wire = layout, wire
        self._largest_frame = max(layout.largest_frame, WORKER_CONTROL_BYTES)
        self._roster = Roster(self._digest, layout, wire.orphan_timeout_s, indices, only)
        self._credits = Credits(wire.credits, (wire.buffer_mib << 20) // max(1, layout.num_bytes))
        self._vigil = Vigil(wire, layout, may_wait=only is not None)
        self._editions = Editions()
        self._out = Correspondence(server, self._roster, self._credits, self._editions)
        self._complaints = Complaints()
        self._commands: deque[Callable[[], None]] = deque()
        self._commanded = Doorbell()
        self._taken: deque[Segment] = deque()
        self._ended: list[tuple[Connection, int]] = []
        self._failed_handshake, self._delivered = 0, False
        self._dismissal, self._stop_s = "", float("inf")
        self._sessions_in_turn, self._connections_in_turn = Round[Session](), Round[Connection]()
        self._interval_s = min(wire.heartbeat_s, 0.1)
        self._ticked_s = self._spoke_s = time.monotonic()

    def command(self, action: Callable[[], None]) -> None:
        """Have the thread do something, soon."""
        self._commands.append(action)
        self._commanded.ring()

    def stop(self) -> None:
        """End the thread, when all who were dismissed have left; a command."""
        self._stop_s = time.monotonic() + (DISMISSAL_S if self._dismissal else 0.0)

    def publish(self, version: int, block: memoryview) -> None:
        """Offer newer parameters; a command."""
        self._editions.publish(version, block)

    def acknowledge(self, segment: Segment) -> None:
        """Give a segment's credit back, soon and with others', from any thread."""
        self._taken.append(segment)
        if len(self._taken) >= self._credits.together:
            self._commanded.ring()

    def dismiss(self, reason: str) -> None:
        """Tell every worker that the training is over; a command."""
        self._dismissal = reason
        for session in self._roster.living():
            self._out.send(session, Dismiss(reason=reason))

    def views(self) -> list[WorkerView]:
        """Living workers, by index; may be called from any thread."""
        return self._roster.views(time.monotonic(), self._editions.newest)

    def run(self) -> None:
        """Serve until stopped."""
        try:
            self._serve()
        except Exception as error:
            self.failure = error
        finally:
            self._connections.close()
            for connection, _ in self._ended:
                connection.handle.close()
            if self._gate:
                self._gate.close()
            self._server.close(linger=int(LINGER_S * 1000))
            self._context.term()
            self._commanded.close()
            self.bell.ring()

    def _serve(self) -> None:
        monitor = self._connections.monitor
        gate = self._gate.socket if self._gate else None
        poller = zmq.Poller()
        for source in (self._server, monitor, self._commanded.fileno(), *([gate] if gate else [])):
            poller.register(source, zmq.POLLIN)
        while time.monotonic() < self._stop_s and (self._roster.living() or self._stop_s == float("inf")):
            wait_s = self._ticked_s + self._interval_s - time.monotonic()
            ready = dict(poller.poll(max(0, int(wait_s * 1000) + 1)))
            now_s = time.monotonic()
            if self._commanded.fileno() in ready:
                self._obey()
            if self._gate and gate in ready:
                for address, reason in self._gate.answer():
                    self._complaints.note(address, reason)
            if monitor in ready:
                self._watch(now_s)
            emptied = self._server not in ready or self._receive(now_s)
            # What a closed connection had delivered counts, so it is read first; unless there is always more.
            overdue = time.monotonic() - self._ticked_s >= OVERDUE_TICKS * self._interval_s
            while (emptied or overdue) and self._ended:
                self._close(*self._ended.pop(), now_s)
            if overdue or (emptied and now_s - self._ticked_s >= self._interval_s):
                self._tick(time.monotonic())
            self._out.speak(now_s)
            if self._delivered:
                self._delivered = False
                self.bell.ring()

    def _obey(self) -> None:
        self._commanded.clear()
        while self._taken:
            self._out.taken(self._taken.popleft())
        while self._commands:
            self._commands.popleft()()

    def _watch(self, now_s: float) -> None:
        for change in self._connections.changes(now_s):
            if change.event & FAILED:
                self._failed_handshake = change.event
            elif change.event == zmq.EVENT_DISCONNECTED:
                if change.connection:
                    self._ended.append((change.connection, self._failed_handshake))
                self._failed_handshake = 0

    def _receive(self, now_s: float) -> bool:
        for _ in range(MESSAGES_A_TURN):
            try:
                frames = [self._server.recv(zmq.NOBLOCK, copy=False)]
            except zmq.Again:
                return True
            while frames[-1].more:  # As recv_multipart does, in half the time.
                frames.append(self._server.recv(copy=False))
            session = self._roster.of_route(frames[0].bytes)
            if session is None:
                # Its descriptor may have been another's before, whose end was not looked at yet.
                self._watch(now_s)
            connection = session.connection if session else self._connections.of(frames[0])
            if connection:
                connection.delivered += sum(map(len, frames)) + FRAME_OVERHEAD_BYTES * len(frames)
                if connection.doomed_s < float("inf"):
                    continue
            self._read(frames, session, connection, now_s)
        return False

    def _read(
        self, frames: list[zmq.Frame], session: Session | None, connection: Connection | None, now_s: float
    ) -> None:
        route = frames[0].bytes
        if session is None and connection is None:
            return  # Closed since, or of a peer whose ZeroMQ is too old to name its connection: _guard will.
        try:
            if len(frames) < 2:
                raise Fault("not a message of dexctl")
            message = decode_from_worker(frames[1].buffer)
            if isinstance(message, Ask):
                if session:
                    raise Fault("a question who works, by a worker")
                self._answer(route, connection, now_s)
            elif isinstance(message, Hello) and len(frames) > 2:
                raise Fault("a hello with frames after it")
            elif isinstance(message, Hello) and session:
                self._lose(session, "it said hello a second time", now_s)  # Perhaps for the connection before.
            elif isinstance(message, Hello):
                self._greet(message, route, frames[1], connection, now_s)
            elif session:
                session.heard_s, session.confirmed = now_s, True
                self._handle(session, message, frames[2:], now_s)
            elif not (connection and connection.worker):
                raise Fault("a message before the hello", 75)  # Perhaps likewise.
        except Fault as fault:
            self._refuse(fault, route, session, connection, now_s)

    def _answer(self, route: bytes, connection: Connection | None, now_s: float) -> None:
        self._out.send_to(route, Answer(version=self._editions.newest, digest=self._digest, workers=self.views()))
        if connection and not connection.worker:
            connection.doomed_s = now_s + FAREWELL_S

    def _greet(self, hello: Hello, route: bytes, frame: zmq.Frame, connection: Connection | None, now_s: float) -> None:
        user = ""
        if self._gate:
            user = str(frame.get("User-Id"))
            if user.encode() not in self._gate.allowed.names:
                raise Fault("this key is not allowed any more", 77)
        before = self._roster.of_worker(hello.worker)
        replaced = (before.index, before.connection) if before and before.route is not None else None
        session = self._roster.greet(hello, user, route, now_s)
        if replaced:
            self._deliver(Lost(replaced[0], session.name, "it connected anew"))
            if replaced[1]:
                replaced[1].cut()
        session.connection = connection
        if connection:
            connection.worker = session.name
        self._credits.join(session.name)
        self._editions.join(session.name, hello.memory)
        welcome = Welcome(
            worker_index=session.index,
            seed=self._seed,
            instance=self.instance,
            token=session.token,
            profile_json=self._profile,
            digest=self._digest,
            layout=self._layout,
            credits=self._out.grant(session.name),
            received=session.received,
            outstanding=sorted(session.outstanding),
            version=self._editions.newest,
            heartbeat_s=self._wire.heartbeat_s,
            timeout_s=self._wire.timeout_s,
        )
        self._out.send(session, welcome)
        self._deliver(Joined(session.index, session.name, hello.host, hello.pid))
        if self._dismissal:
            self._out.send(session, Dismiss(reason=self._dismissal))

    def _handle(
        self,
        session: Session,
        message: Ping | SegmentHeader | Fetch | Have | Goodbye,
        frames: list[zmq.Frame],
        now_s: float,
    ) -> None:
        if isinstance(message, SegmentHeader):
            if not self._credits.arrive(session.name):
                raise Fault("a segment without a credit for it")
            views = [frame.buffer for frame in frames]
            arrays = self._roster.take(session, message, views, self._editions.newest)
            session.worked_s = now_s
            self._deliver(Segment(session.index, session.hello.incarnation, message, arrays))
            return
        if frames:
            raise Fault(f"{len(frames)} frames after a message that has none")
        match message:
            case Ping():
                self._vigil.count(session)
                session.version = max(session.version, message.version)
            case Fetch():
                self._out.ask(session, message.version, message.offset)
            case Have():
                self._vigil.count(session)
                self._editions.have(session.name, message.version, message.shared, now_s)
            case Goodbye():
                self._lose(session, message.reason or "said goodbye", now_s)
                self._roster.leave(session, now_s)

    def _refuse(
        self, fault: Fault, route: bytes, session: Session | None, connection: Connection | None, now_s: float
    ) -> None:
        host = connection.host if connection else "a closed connection"
        self._complaints.note(f"{session.name} at {host}" if session else host, fault.reason)
        self._out.send_to(route, Refuse(code=fault.code, reason=fault.reason[:1000]))
        if connection:
            connection.doomed_s = now_s + FAREWELL_S
        if session:
            self._roster.block(session, fault.reason)
            session.connection = None
            self._lose(session, f"refused: {fault.reason}", now_s)

    def _close(self, connection: Connection, failed_handshake: int, now_s: float) -> None:
        session = self._roster.of_worker(connection.worker) if connection.worker else None
        # When the peer did not close it, ZeroMQ did: it could not go on reading.
        broken = f"broke the framing, or sent a frame of over {self._largest_frame} bytes"
        if session and session.connection is connection:
            if connection.established():
                self._roster.block(session, broken)
                self._complaints.note(f"{session.name} at {connection.host}", broken)
            self._lose(session, "its connection closed", now_s)
        elif failed_handshake and failed_handshake != zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            self._complaints.note(connection.host, "no handshake as this optimizer asks for")
        elif not connection.worker and not failed_handshake and connection.established():
            self._complaints.note(connection.host, broken)
        connection.handle.close()

    def _lose(self, session: Session, reason: str, now_s: float) -> None:
        if session.route is None:
            return
        if session.connection:
            session.connection.cut()
        self._roster.lose(session, now_s)
        self._credits.leave(session.name)
        self._editions.leave(session.name)
        self._deliver(Lost(session.index, session.name, reason))

    def _tick(self, now_s: float) -> None:
        # After a pause of our own (a stopped process, a suspended machine) nobody was silent.
        pause_s = max(0.0, now_s - self._ticked_s - 2 * self._interval_s)
        self._ticked_s = now_s
        self._obey()
        if self._gate:
            removed = {key.decode() for key in self._gate.allowed.refresh()}
            for session in self._roster.living():
                if session.user in removed:
                    self._lose(session, "its key was removed", now_s)
            for fault in self._gate.allowed.faults:
                self._complaints.note("the folder of allowed keys", fault)
        for session in self._sessions_in_turn.next(self._roster.living, pause_s):
            reason = self._vigil.look(session, self._credits.holds(session.name), now_s, pause_s)
            if reason:
                self._lose(session, reason, now_s)
        self._roster.free_indices(now_s)
        self._guard(now_s, pause_s)
        for refused in self._complaints.due(now_s) if len(self.inbox) < WAITING_ARRIVALS else ():
            self._deliver(refused)
        if now_s - self._spoke_s >= self._wire.heartbeat_s:
            self._spoke_s = now_s
            self._out.beat()

    def _guard(self, now_s: float, pause_s: float) -> None:
        for connection in self._connections_in_turn.next(self._connections.all, pause_s):
            connection.opened_s += pause_s
            complaint = self._vigil.complaint(connection, now_s)
            if complaint and connection.doomed_s == float("inf"):
                self._complaints.note(connection.host, complaint)
                connection.doomed_s = now_s
            if now_s >= connection.doomed_s:
                connection.cut()

    def _deliver(self, arrival: Arrival) -> None:
        self.inbox.append(arrival)
        self._delivered = True

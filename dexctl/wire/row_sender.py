"""Sends the rows of a dataset as they are made, each to one of the receivers that ask, and waits while none does.

A thread has the sockets, so that neither physics nor drawing delays a heartbeat. What waits to be sent is
bounded, and so is what is under way: a receiver gets a portion for each that it asked for.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

import numpy as np
import zmq

from dexctl.errors import CreateError, UnavailableError
from dexctl.wire import row_messages as say
from dexctl.wire.arrivals import Complaints, Refused
from dexctl.wire.connections import Connection, Connections
from dexctl.wire.doorbell import Doorbell
from dexctl.wire.endpoint import host_to_bind
from dexctl.wire.gate import Gate
from dexctl.wire.keys import ServerKeys
from dexctl.wire.messages import Fault, decode, encode

_QUEUED = 2
_MOST_RECEIVERS = 64
_TURN_S = 0.2
_OPEN_S = 10.0
_FAREWELL_S = 5.0
_LINGER_MS = 500


@dataclasses.dataclass(eq=False)
class _Receiver:
    """Somebody who opened; ``takes`` once it has asked for rows."""

    route: bytes
    who: str
    connection: Connection | None
    heard_s: float
    credits: int = 0
    under_way: int = 0
    takes: bool = False


class RowSender:
    """Sends rows; for one thread beside its own. Close it, or receivers wait for its silence.

    Attributes:
        endpoint: what receivers connect to, with the real port.
    """

    def __init__(
        self,
        bind: str,
        opened: say.Opened,
        keys: ServerKeys | None = None,
        insecure: bool = False,
        complain: Callable[[Refused], None] = lambda refused: None,
    ) -> None:
        """Binds, and answers from now on.

        Args:
            opened: what is sent.
            complain: called, in another thread, with who was turned away.

        Raises:
            UsageError, RefusedError, CreateError: the address is no endpoint, needs keys, or is taken.
        """
        host = host_to_bind(bind, keys, insecure)
        self._opened, self._complain = opened, complain
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._gate = Gate(self._context, keys) if keys else None
        self._connections = Connections(self._socket)
        self.endpoint = self._bind(bind, ":" in host)
        self._complaints = Complaints()
        self._receivers: dict[bytes, _Receiver] = {}
        self._queue: deque[tuple[say.Portion, list[bytes]]] = deque()
        self._changed, self._bell = threading.Condition(), Doorbell()
        self._satisfied = self._closed = False
        self._failure: BaseException | None = None
        self._end: say.End | None = None
        self._ticked_s = self._beat_s = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="dexctl-rows", daemon=True)
        self._thread.start()

    def _bind(self, bind: str, ipv6: bool) -> str:
        server = self._socket
        server.ipv6 = ipv6
        server.handshake_ivl = 10_000
        server.maxmsgsize = say.RECEIVER_CONTROL_BYTES
        server.rcvhwm = server.sndhwm = 64
        server.router_mandatory = True
        if self._gate:
            self._gate.guard(server)
        try:
            server.bind(bind)
        except zmq.ZMQError as error:
            self._close_sockets()
            raise CreateError(
                f"cannot bind {bind}: {error.strerror}", "Choose another endpoint; port 0 takes a free one."
            ) from None
        return server.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")

    def send(self, start: int, rows: Mapping[str, np.ndarray], stop: Callable[[], bool] = lambda: False) -> bool:
        """Sends rows; waits until there is room for them.

        Args:
            start: number of the first.
            rows: n of every column.
            stop: asked while waiting.

        Returns:
            Whether more are wanted: not when all who took some have enough, nor when asked to stop.

        Raises:
            UnavailableError: the last who took some is gone before it had enough.
        """
        count, step = len(next(iter(rows.values()))), self._opened.most_rows
        for first in range(0, count, step):
            last = min(first + step, count)
            item = say.Portion(start=start + first, rows=last - first), self._opened.frames(rows, first, last)
            with self._changed:
                if not self._wait(lambda: len(self._queue) < _QUEUED, stop):
                    return False
                self._queue.append(item)
            self._bell.ring()
        return True

    def finish(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Tells receivers that no row follows, once all that were sent have been taken.

        Raises:
            UnavailableError: the last who took some is gone before.
        """
        with self._changed:
            if not self._wait(lambda: not self._queue and not self._under_way(), stop):
                return
            self._end = say.End(whole=True, reason="")
        self._bell.ring()
        with self._changed:
            self._changed.wait_for(lambda: not self._takers() or self._failure is not None, _FAREWELL_S)

    def close(self, reason: str = "it was stopped") -> None:
        """Ends; receivers that were not told that all was sent hear why not."""
        with self._changed:
            if self._end is None:
                self._queue.clear()
                self._end = say.End(whole=False, reason=reason[:1000])
            self._closed = True
        self._bell.ring()
        self._thread.join()

    def _wait(self, ready: Callable[[], bool], stop: Callable[[], bool]) -> bool:
        while not ready():
            if self._failure is not None:
                raise self._failure
            if self._satisfied or stop():
                return False
            self._changed.wait(_TURN_S)
        if self._failure is not None:
            raise self._failure
        return not self._satisfied

    def _takers(self) -> list[_Receiver]:
        return [one for one in self._receivers.values() if one.takes]

    def _under_way(self) -> int:
        return sum(one.under_way for one in self._receivers.values())

    def _run(self) -> None:
        try:
            self._serve()
        # Whatever went wrong is for the one who sends.
        except BaseException as error:
            self._failure = error
        finally:
            self._close_sockets()
            self._bell.close()
            with self._changed:
                self._changed.notify_all()

    def _serve(self) -> None:
        poller = zmq.Poller()
        gate = [self._gate.socket] if self._gate else []
        for source in (self._socket, self._connections.monitor, self._bell.fileno(), *gate):
            poller.register(source, zmq.POLLIN)
        while True:
            turn_s = min(_TURN_S, self._opened.heartbeat_s / 2)
            ready = dict(poller.poll(int(turn_s * 1000) + 1))
            if self._bell.fileno() in ready:
                self._bell.clear()
            if self._gate:
                for address, reason in self._gate.answer():
                    self._complaints.note(address, reason)
            with self._changed:
                self._watch()
                self._receive()
                self._speak()
                self._tick()
                self._changed.notify_all()
                closed = self._closed
            for refused in self._complaints.due(time.monotonic()):
                self._complain(refused)
            if closed:
                return

    def _receive(self) -> None:
        for _ in range(64):
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            connection = self._connections.of(frames[0])
            if connection is None:
                self._watch()
                connection = self._connections.of(frames[0])
            if connection:
                connection.delivered += sum(map(len, frames))
                if connection.doomed_s < float("inf"):
                    continue
            route = frames[0].bytes
            try:
                if len(frames) != 2:
                    raise Fault("not a message of dexctl")
                self._hear(route, decode(frames[1].buffer, say.FROM_RECEIVER, say.RECEIVER_CONTROL_BYTES), connection)
            except Fault as fault:
                self._deny(route, connection, fault)

    def _hear(self, route: bytes, message: say.FromReceiver, connection: Connection | None) -> None:
        receiver = self._receivers.get(route)
        if isinstance(message, say.Open):
            self._greet(route, message, connection, receiver)
            return
        if receiver is None:
            raise Fault("a message before it opened")
        receiver.heard_s = time.monotonic()
        match message:
            case say.More():
                if message.taken > receiver.under_way:
                    raise Fault("more portions taken than were sent")
                receiver.under_way -= message.taken
                receiver.credits += message.portions
                if receiver.credits + receiver.under_way > say.PORTIONS_AHEAD:
                    raise Fault(f"more than {say.PORTIONS_AHEAD} portions asked for at once")
                receiver.takes = True
            case say.Leave():
                self._lose(receiver, message.reason or "it left", message.enough)

    def _greet(self, route: bytes, message: say.Open, connection: Connection | None, before: _Receiver | None) -> None:
        if before:
            raise Fault("opened twice")
        if message.dataset != self._opened.dataset:
            raise Fault(f"{message.dataset} are asked for, and {self._opened.dataset} are sent here")
        if len(self._receivers) >= _MOST_RECEIVERS:
            raise Fault(f"{_MOST_RECEIVERS} others receive already", 75)
        who = f"{message.host}:{message.pid}"
        self._receivers[route] = _Receiver(route, who, connection, time.monotonic())
        if connection:
            connection.worker = who
        self._post(self._receivers[route], self._opened)

    def _deny(self, route: bytes, connection: Connection | None, fault: Fault) -> None:
        self._complaints.note(connection.host if connection else "a closed connection", fault.reason)
        stranger = self._receivers.get(route) or _Receiver(route, "", connection, 0.0)
        self._post(stranger, say.Deny(code=fault.code, reason=fault.reason[:1000]))
        if connection:
            connection.doomed_s = time.monotonic() + _TURN_S
        if route in self._receivers:
            self._lose(stranger, fault.reason, enough=False)

    def _post(self, receiver: _Receiver, message: say.FromSender, frames: list[bytes] | None = None) -> bool:
        try:
            self._socket.send_multipart([receiver.route, encode(message), *(frames or [])], zmq.NOBLOCK)
        except zmq.ZMQError:
            # It reads too slowly, or is gone; its silence or its connection will tell.
            return False
        return True

    def _speak(self) -> None:
        """Deals portions out: the one who asked for most gets the next."""
        while self._queue:
            asking = [one for one in self._takers() if one.credits]
            if not asking:
                break
            receiver = max(asking, key=lambda one: one.credits)
            if not self._post(receiver, *self._queue[0]):
                break
            self._queue.popleft()
            receiver.credits -= 1
            receiver.under_way += 1
        now_s = time.monotonic()
        if self._end and not self._queue:
            for receiver in self._receivers.values():
                self._post(receiver, self._end)
        elif now_s - self._beat_s >= self._opened.heartbeat_s:
            self._beat_s = now_s
            for receiver in self._receivers.values():
                self._post(receiver, say.Beat())

    def _watch(self) -> None:
        for change in self._connections.changes(time.monotonic()):
            if change.event != zmq.EVENT_DISCONNECTED or change.connection is None:
                continue
            for receiver in [one for one in self._receivers.values() if one.connection is change.connection]:
                # Its last word may be waiting to be read.
                self._receive()
                if receiver.route in self._receivers:
                    self._lose(receiver, "its connection closed", enough=False)
            change.connection.handle.close()

    def _lose(self, receiver: _Receiver, reason: str, enough: bool) -> None:
        del self._receivers[receiver.route]
        if not receiver.takes or self._takers() or self._end:
            return
        if enough:
            self._satisfied = True
        else:
            self._failure = UnavailableError(
                f"{receiver.who} took {self._opened.dataset} and is gone: {reason}", "Start all commands again."
            )

    def _tick(self) -> None:
        now_s = time.monotonic()
        # While this process was stopped it heard nobody.
        pause_s = now_s - self._ticked_s
        self._ticked_s = now_s
        if self._gate:
            self._gate.allowed.refresh()
        for receiver in list(self._receivers.values()):
            if pause_s > self._opened.heartbeat_s + _TURN_S:
                receiver.heard_s += pause_s
            if now_s - receiver.heard_s > self._opened.timeout_s:
                self._lose(receiver, f"silent for {self._opened.timeout_s:g} s", enough=False)
                if receiver.connection:
                    receiver.connection.cut()
        for connection in self._connections.all():
            late = not connection.worker and now_s - connection.opened_s > _OPEN_S
            endless = connection.undelivered() > 16 * say.RECEIVER_CONTROL_BYTES
            if late or endless or now_s > connection.doomed_s:
                connection.cut()

    def _close_sockets(self) -> None:
        self._connections.close()
        if self._gate:
            self._gate.close()
        self._socket.close(linger=_LINGER_MS)
        self._context.term()

"""Receives the rows of a dataset from one sender, a few portions ahead of who takes them, and trusts none."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator

import numpy as np
import zmq

from dexctl.errors import DexctlError, ProtocolError, RefusedError, TemporaryError, UnavailableError
from dexctl.wire import row_messages as say
from dexctl.wire.connections import FAILED, Connections
from dexctl.wire.doorbell import Doorbell
from dexctl.wire.endpoint import host_of
from dexctl.wire.keys import WorkerKeys
from dexctl.wire.messages import Fault, decode, encode

_TURN_S = 0.2
_LINGER_MS = 500
_KEPT = "What came is kept: start all commands again."

Rows = dict[str, np.ndarray]


class RowReceiver:
    """Rows from one sender; a thread has the socket. Close it, or the sender waits for its silence.

    Attributes:
        endpoint: of the sender.
        opened: what it sends.
    """

    def __init__(self, endpoint: str, dataset: say.Dataset, keys: WorkerKeys | None, timeout_s: float) -> None:
        """Connects, and waits for the sender's first word.

        Args:
            dataset: what is to be received.
            timeout_s: how long to wait.

        Raises:
            UsageError: it is no endpoint.
            UnavailableError: nobody answers.
            RefusedError: not with these keys.
            ProtocolError: it sends something else.
        """
        host = host_of(endpoint)
        self.endpoint = endpoint
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.ipv6 = ":" in host
        self._socket.reconnect_ivl, self._socket.reconnect_ivl_max = 100, 2_000
        self._socket.handshake_ivl = 5_000
        self._socket.maxmsgsize = say.PORTION_BYTES
        self._socket.rcvhwm = self._socket.sndhwm = 64
        if keys:
            self._socket.curve_publickey = keys.public
            self._socket.curve_secretkey = keys.secret
            self._socket.curve_serverkey = keys.server
        self._connections = Connections(self._socket)
        self._changed, self._bell = threading.Condition(), Doorbell()
        self._inbox: deque[tuple[int, Rows]] = deque()
        self._opened: say.Opened | None = None
        self._failure: BaseException | None = None
        self._wanted = self._taken = self._expected = 0
        self._over = self._closed = self._enough = self._asked = False
        self._heard_s = self._ticked_s = self._spoke_s = time.monotonic()
        self._dataset: say.Dataset = dataset
        self._socket.connect(endpoint)
        self._thread = threading.Thread(target=self._run, name="dexctl-rows", daemon=True)
        self._thread.start()
        try:
            self.opened = self._await_opened(timeout_s)
        except BaseException:
            self.close()
            raise

    def portions(self) -> Iterator[tuple[int, Rows]]:
        """Number of the first row and some rows, as they come, until the sender's end or ``close``.

        Raises:
            UnavailableError: the sender stopped, failed, or is gone.
            ProtocolError: it sent something else than rows as it had described.
        """
        with self._changed:
            if not self._asked:
                self._asked, self._wanted = True, say.PORTIONS_AHEAD
        self._bell.ring()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._inbox or self._over or self._closed)
                if self._closed:
                    return
                if not self._inbox:
                    if self._failure is not None:
                        raise self._failure
                    return
                portion = self._inbox.popleft()
                self._wanted += 1
                self._taken += 1
            self._bell.ring()
            yield portion

    def enough(self) -> None:
        """Says that no more is wanted: then leaving is no failure."""
        self._enough = True

    def close(self) -> None:
        """Leaves; whoever waits for rows waits no longer."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._bell.ring()
        self._thread.join()
        self._bell.close()

    def _await_opened(self, timeout_s: float) -> say.Opened:
        with self._changed:
            self._changed.wait_for(lambda: self._opened or self._over, timeout_s)
            if self._failure is not None:
                raise self._failure
            if self._opened is None:
                raise UnavailableError(
                    f"nobody at {self.endpoint} answered in {timeout_s:g} s", "Check the endpoint, or wait longer."
                )
            return self._opened

    def _run(self) -> None:
        try:
            self._serve()
        # Whatever went wrong is for the one who takes.
        except BaseException as error:
            self._failure = error
        finally:
            self._connections.close()
            self._socket.close(linger=_LINGER_MS)
            self._context.term()
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def _serve(self) -> None:
        poller = zmq.Poller()
        for source in (self._socket, self._connections.monitor, self._bell.fileno()):
            poller.register(source, zmq.POLLIN)
        self._say(say.Open(dataset=self._dataset, host=socket.gethostname(), pid=os.getpid()))
        while not self._over:
            ready = dict(poller.poll(int(_TURN_S * 1000)))
            if self._bell.fileno() in ready:
                self._bell.clear()
            # What a closed connection had delivered before counts, so it is read first.
            while self._socket in ready and self._receive():
                pass
            if self._over:
                self._say(say.Leave(enough=True, reason=""))
                return
            self._watch()
            if self._over:
                return
            with self._changed:
                wanted, taken, closed = self._wanted, self._taken, self._closed
            if closed:
                if self._opened:
                    self._say(say.Leave(enough=self._enough, reason="" if self._enough else "it was stopped"))
                return
            if self._opened and wanted:
                self._ask(wanted, taken)
            self._tick()

    def _ask(self, wanted: int, taken: int) -> None:
        if self._say(say.More(portions=wanted, taken=taken)):
            with self._changed:
                self._wanted -= wanted
                self._taken -= taken
                self._expected += wanted

    def _receive(self) -> bool:
        try:
            frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return False
        connection = self._connections.of(frames[0])
        if connection:
            connection.delivered += sum(map(len, frames))
        self._heard_s = time.monotonic()
        try:
            message = decode(frames[0].buffer, say.FROM_SENDER, say.SENDER_CONTROL_BYTES)
            self._hear(message, [frame.buffer for frame in frames[1:]])
        except (Fault, ValueError) as error:
            raise ProtocolError(f"{self.endpoint} sent {error}", "Give both sides the same version.") from None
        return not self._over

    def _hear(self, message: say.FromSender, frames: list[memoryview]) -> None:
        if frames and not isinstance(message, say.Portion):
            raise ValueError(f"{len(frames)} frames after a message that has none")
        match message:
            case say.Deny():
                kinds: dict[int, type[DexctlError]] = {75: TemporaryError, 76: ProtocolError}
                kind = kinds.get(message.code, UnavailableError)
                raise kind(f"{self.endpoint}: {message.reason}", "Check the endpoint, and give both the same version.")
            case say.Opened():
                if self._opened or message.dataset != self._dataset:
                    raise ValueError(f"{message.dataset}, not {self._dataset}")
                with self._changed:
                    self._opened = message
                    self._changed.notify_all()
            case say.Portion():
                self._take(message, frames)
            case say.End():
                if not message.whole:
                    raise UnavailableError(f"{self.endpoint} ended before its last row: {message.reason}", _KEPT)
                self._over = True

    def _take(self, portion: say.Portion, frames: list[memoryview]) -> None:
        if self._opened is None or not self._expected:
            raise ValueError("a portion that nobody asked for")
        if portion.rows > self._opened.most_rows:
            raise ValueError(f"a portion of {portion.rows} rows")
        rows = self._opened.arrays_of(frames, portion.rows)
        with self._changed:
            self._expected -= 1
            self._inbox.append((portion.start, rows))
            self._changed.notify_all()

    def _watch(self) -> None:
        changes = self._connections.changes(time.monotonic())
        for change in changes:
            if change.event == zmq.EVENT_DISCONNECTED and change.connection:
                change.connection.handle.close()
        if any(change.event & FAILED for change in changes):
            raise RefusedError(
                f"no handshake with {self.endpoint}: its keys do not fit ours, or it sends no rows",
                "Give --key of a key that it lets in, and its --server-key.",
            )
        if self._opened and any(change.event == zmq.EVENT_DISCONNECTED for change in changes):
            # Its last word may have come with the connection's end.
            while self._receive():
                pass
            if not self._over:
                raise UnavailableError(f"{self.endpoint} closed the connection before its last row", _KEPT)

    def _tick(self) -> None:
        now_s = time.monotonic()
        pause_s, self._ticked_s = now_s - self._ticked_s, now_s
        if pause_s > 4 * _TURN_S:
            # While this process was stopped it heard nobody.
            self._heard_s += pause_s
        if any(one.undelivered() > 2 * say.PORTION_BYTES for one in self._connections.all()):
            raise ProtocolError(f"{self.endpoint} sent a message without an end", "Look at who listens there.")
        if self._opened is None:
            return
        bytes_s = min((one.silent_s() for one in self._connections.all()), default=float("inf"))
        if min(now_s - self._heard_s, bytes_s) > self._opened.timeout_s:
            raise UnavailableError(f"{self.endpoint} was silent for {self._opened.timeout_s:g} s", _KEPT)
        if now_s - self._spoke_s >= self._opened.heartbeat_s:
            self._say(say.Here())

    def _say(self, message: say.FromReceiver) -> bool:
        try:
            self._socket.send(encode(message), zmq.NOBLOCK)
        except zmq.Again:
            return False
        self._spoke_s = time.monotonic()
        return True

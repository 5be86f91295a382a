"""The thread that owns a worker's socket.

Physics keeps a worker busy for seconds at a time; the thread answers for it meanwhile, fetches
parameters, and finds an optimizer again when the connection is lost.
"""

from __future__ import annotations

import os
import random
import secrets
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

import zmq
from msgspec.structs import replace

from dexctl.errors import DexctlError, ProtocolError, RefusedError, TemporaryError
from dexctl.profile import schema
from dexctl.wire.connections import FAILED, Change, Connection, Connections
from dexctl.wire.doorbell import Doorbell
from dexctl.wire.download import Download
from dexctl.wire.keys import WorkerKeys
from dexctl.wire.messages import (
    OPTIMIZER_CONTROL_BYTES,
    PIECES_AHEAD,
    Alive,
    Announce,
    Credit,
    Dismiss,
    Fault,
    FromWorker,
    Gone,
    Goodbye,
    Hello,
    Piece,
    Ping,
    Refuse,
    SegmentHeader,
    Welcome,
    decode_from_optimizer,
    encode,
)
from dexctl.wire.outbox import Outbox, Outgoing
from dexctl.wire.shared import SharedFolder

# How long one optimizer may take to answer before another, or the same anew, is tried.
ATTEMPT_S = 3.0
# So many broken handshakes in a row are no accident.
HANDSHAKES = 3
NOBODY = "no optimizer answers"
LINGER_S = 0.3
# The clocks are looked at twice a heartbeat, and at least so often.
LONGEST_TICK_S = 0.5


class Orphaned(TemporaryError):
    """The optimizer is silent for too long."""


class Dismissed(Exception):
    """The optimizer has finished: there is nothing more to do."""


class WorkerThread(threading.Thread):
    """Keeps one worker connected.

    Args:
        connect: endpoints, one of which is chosen at random.
        identity: id of the worker, digest of its profile, digest of its layout.
        wire: its orphan timeout, and until the welcome its heartbeats and timeouts.
        keys: None for no encryption.
        folder: the host's shared memory.

    Attributes:
        bell: rings whenever something below changes.
        welcome: the last one.
        joined: whether the optimizer that sent it still answers.
        ended: why nothing more can be had from here.
        trouble: what kept it from joining so far.
        used_version: what the worker acts with.
    """

    def __init__(
        self,
        connect: Sequence[str],
        identity: tuple[str, str, str],
        wire: schema.Wire,
        keys: WorkerKeys | None,
        folder: SharedFolder,
    ) -> None:
        super().__init__(name="dexctl-wire", daemon=True)
        self.bell = Doorbell()
        self.welcome: Welcome | None = None
        self.ended: BaseException | None = None
        self.trouble = NOBODY
        self.used_version = 0
        self.download = Download(folder)
        self._endpoints = list(connect)
        self._worker, self._digest, self._layout = identity
        self._wire, self._keys, self._folder = wire, keys, folder
        self._incarnation = secrets.randbits(62)
        self._tokens: dict[str, bytes] = {}
        self._outbox = Outbox()
        self._lock = threading.Lock()
        self._handed = Doorbell()
        self._stopping = False
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._choice = random.Random()
        self._endpoint = self._choice.choice(self._endpoints)
        self._connection: Connection | None = None
        self.joined = self._greeting = False
        self._failures = 0
        self._unsaid: deque[FromWorker] = deque()
        self._tracker: zmq.MessageTracker | None = None
        now_s = time.monotonic()
        self._tick_s = min(LONGEST_TICK_S, wire.heartbeat_s / 2)
        self._heard_s = self._spoke_s = self._opened_s = self._ticked_s = now_s
        self._socket, self._connections = self._open()

    @property
    def room(self) -> bool:
        """Whether a segment that is handed over now goes out at once."""
        with self._lock:
            return self.joined and self._outbox.room

    def hand_over(self, header: Callable[[str, int], SegmentHeader], frames: list[memoryview]) -> None:
        """Take a segment.

        Args:
            header: makes the header from the worker's id and a sequence number.
        """
        with self._lock:
            sequence = self._outbox.next_sequence()
            self._outbox.add(Outgoing(header(self._worker, sequence), frames))
        self._handed.ring()

    def stop(self) -> None:
        """End the thread, from any other."""
        self._stopping = True
        self._handed.ring()

    def run(self) -> None:
        """Stay connected until stopped, refused, dismissed or orphaned."""
        try:
            while not self._stopping and self.ended is None:
                self._turn()
        except Exception as error:
            self.ended = error
        finally:
            if self.joined:
                self._say(Goodbye(reason=""))
            self._connections.close()
            self._socket.close(linger=int(LINGER_S * 1000))
            self.download.close()
            self._context.term()
            self._handed.close()
            self.bell.ring()

    def _turn(self) -> None:
        wait_s = self._ticked_s + self._tick_s - time.monotonic()
        ready = dict(self._poller.poll(max(0, int(wait_s * 1000) + 1)))
        now_s = time.monotonic()
        if self._handed.fileno() in ready:
            self._handed.clear()
        if self._connections.monitor in ready:
            for change in self._connections.changes(now_s):
                self._changed(change, now_s)
        emptied = self._socket not in ready or self._receive(now_s)
        if self.ended is None:
            self._speak(now_s)
            if emptied and now_s - self._ticked_s >= self._tick_s:
                self._tick(now_s)

    def _open(self) -> tuple[zmq.Socket[bytes], Connections]:
        client = self._context.socket(zmq.DEALER)
        client.linger = 0
        client.ipv6 = "[" in self._endpoint
        client.immediate = True
        client.reconnect_ivl = 100
        client.reconnect_ivl_max = 1000
        client.connect_timeout = int(ATTEMPT_S * 1000)
        client.handshake_ivl = 10_000
        client.maxmsgsize = OPTIMIZER_CONTROL_BYTES + 64
        # Credits bound what is sent, and the optimizer gives them.
        client.sndhwm = 1024
        client.rcvhwm = PIECES_AHEAD + 64
        if self._keys:
            client.curve_publickey = self._keys.public
            client.curve_secretkey = self._keys.secret
            client.curve_serverkey = self._keys.server
        connections = Connections(client)
        client.connect(self._endpoint)
        self._poller = zmq.Poller()
        for source in (client, connections.monitor, self._handed.fileno()):
            self._poller.register(source, zmq.POLLIN)
        return client, connections

    def _reopen(self, now_s: float) -> None:
        others = [endpoint for endpoint in self._endpoints if endpoint != self._endpoint]
        self._disconnected()
        self._connections.close()
        self._socket.close(linger=0)
        if others:
            self._endpoint = self._choice.choice(others)
            with self._lock:
                self._outbox.move()
        self._opened_s = now_s
        self._socket, self._connections = self._open()

    def _disconnected(self) -> None:
        self.joined = self._greeting = False
        self._connection = None
        self._tracker = None
        self._unsaid.clear()

    def _changed(self, change: Change, now_s: float) -> None:
        if change.event == zmq.EVENT_CONNECTED:
            self._connection = change.connection
        elif change.event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self._failures = 0
            self._greeting = True
        elif change.event == zmq.EVENT_DISCONNECTED:
            # The same optimizer is given its time to come back; tries that end in no welcome do not begin it anew.
            self._opened_s = now_s if self.joined else self._opened_s
            self._disconnected()
            if change.connection:
                change.connection.handle.close()
        elif change.event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            self.ended = RefusedError(
                f"{self._endpoint} refused this worker's key",
                "Copy the worker's .key file into the optimizer's folder of allowed keys.",
            )
        elif change.event & FAILED:
            # A connection may break in a handshake; another protocol is another on every try. What was an
            # optimizer before is one that is away: whatever is between accepts and closes meanwhile.
            self._failures += 1
            if self.welcome:
                self.trouble = f"no handshake with {self._endpoint}"
            elif self._failures >= HANDSHAKES or change.event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL:
                self.ended = RefusedError(
                    f"no handshake with {self._endpoint}: its keys do not fit ours, or it is no optimizer",
                    "Check that both sides use keys, and that the optimizer's .key file is its own.",
                )

    def _receive(self, now_s: float) -> bool:
        for _ in range(64):
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return True
            try:
                message = decode_from_optimizer(frames[0].buffer)
                if len(frames) != (2 if isinstance(message, Piece) else 1):
                    raise Fault(f"a message of {len(frames)} frames")
                # Who is refused for ever has no optimizer either.
                self._heard_s = self._heard_s if isinstance(message, Refuse) else now_s
                self._handle(message, frames)
            except Fault as fault:
                raise ProtocolError(f"{self._endpoint} sent {fault.reason}") from None
        return False

    def _handle(self, message: object, frames: list[zmq.Frame]) -> None:
        match message:
            case Welcome():
                self._welcomed(message)
            case Refuse():
                self._refused(message)
            case Credit():
                with self._lock:
                    self._outbox.forget(message.taken)
                    self._outbox.credits += message.credits
                self.bell.ring()
            case Announce():
                self.download.announce(message)
                self.bell.ring()
            case Piece():
                self.download.piece(message.version, message.offset, frames[1].buffer)
                self.bell.ring()
            case Gone():
                self.download.gone(message.version)
            case Dismiss():
                self.ended = Dismissed(message.reason)
            case Alive():
                pass

    def _welcomed(self, welcome: Welcome) -> None:
        fresh = self.welcome is None or self.welcome.instance != welcome.instance
        self._digest, self._layout = welcome.digest, welcome.layout.digest
        self._wire = replace(self._wire, heartbeat_s=welcome.heartbeat_s, timeout_s=welcome.timeout_s)
        self._tick_s = min(LONGEST_TICK_S, welcome.heartbeat_s / 2)
        self._tokens[self._endpoint] = welcome.token
        with self._lock:
            self._outbox.resume(welcome.received, welcome.outstanding, welcome.credits)
            if fresh:
                self._outbox.drop_newer(welcome.version)
            self.joined = True
        self.download.follow(welcome.instance)
        self.trouble = NOBODY
        self.welcome = welcome
        self.bell.ring()

    def _refused(self, refusal: Refuse) -> None:
        reason = f"{self._endpoint} refused this worker: {refusal.reason}"
        kinds: dict[int, type[DexctlError]] = {76: ProtocolError, 77: RefusedError}
        self.trouble = reason
        if refusal.code in kinds:
            self.ended = kinds[refusal.code](reason, "Give both sides the same version and profile.")

    def _speak(self, now_s: float) -> None:
        if self._greeting and self._say(self._hello()):
            self._greeting = False
        if not self.joined:
            return
        self._unsaid.extend(self.download.requests())
        while self._unsaid and self._say(self._unsaid[0]):
            self._unsaid.popleft()
        while True:
            with self._lock:
                outgoing = self._outbox.due()
            if outgoing is None or not self._transmit(outgoing):
                break
            with self._lock:
                self._outbox.mark_sent(outgoing)
            self._spoke_s = now_s

    def _hello(self) -> Hello:
        with self._lock:
            before = self._outbox.before
        return Hello(
            worker=self._worker,
            incarnation=self._incarnation,
            token=self._tokens.get(self._endpoint, b""),
            digest=self._digest,
            layout=self._layout,
            host=socket.gethostname(),
            pid=os.getpid(),
            memory=self._folder.identity,
            sequence=before,
        )

    def _transmit(self, outgoing: Outgoing) -> bool:
        try:
            self._tracker = self._socket.send_multipart(
                [encode(outgoing.header), *outgoing.frames], zmq.NOBLOCK, copy=False, track=True
            )
        except zmq.Again:
            return False
        return True

    def _say(self, message: FromWorker) -> bool:
        try:
            self._socket.send(encode(message), zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def _tick(self, now_s: float) -> None:
        pause_s = max(0.0, now_s - self._ticked_s - 2 * self._tick_s)
        self._ticked_s = now_s
        self._heard_s += pause_s
        self._opened_s += pause_s
        silent_s = now_s - self._heard_s
        if self.joined and self._connection:
            silent_s = min(silent_s, self._connection.silent_s())
        if self.welcome and silent_s > self._wire.orphan_timeout_s:
            self.ended = Orphaned(
                f"no word from an optimizer for {silent_s:.0f} s: {self.trouble}",
                "Start the optimizer again, then the worker.",
            )
        elif self.joined and silent_s > self._wire.timeout_s:
            self.trouble = f"{self._endpoint} is silent"
            self._reopen(now_s)
        elif not self.joined and now_s - self._opened_s > ATTEMPT_S:
            self._reopen(now_s)
        # While bytes of a segment are on their way they speak for the worker.
        under_way = self._tracker is not None and not self._tracker.done
        if self.joined and not under_way and now_s - self._spoke_s >= self._wire.heartbeat_s:
            self._spoke_s = now_s
            self._say(Ping(version=self.used_version))

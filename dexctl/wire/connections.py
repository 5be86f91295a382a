"""The TCP connections under a ZeroMQ socket: who they are, whether bytes flow, and how to cut one.

ZeroMQ tells of messages only. A peer that sends one large message over a slow link looks silent, a
message that never ends fills memory, and an unwanted peer cannot be put out. The kernel knows
more, so every connection's descriptor is duplicated when the socket's monitor reports it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from dataclasses import dataclass

import zmq
from zmq.utils.monitor import parse_monitor_message

# struct tcp_info of Linux: tcpi_state, tcpi_last_data_recv (ms), tcpi_bytes_received.
_STATE_ESTABLISHED = 1
_LAST_DATA_RECEIVED = struct.Struct("=52xI")
_BYTES_RECEIVED = struct.Struct("=128xQ")

FAILED = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_AUTH
OPENED = zmq.EVENT_ACCEPTED | zmq.EVENT_CONNECTED
WATCHED = OPENED | FAILED | zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED


@dataclass(eq=False)
class Connection:
    """One TCP connection.

    Attributes:
        handle: a duplicate of the descriptor that ZeroMQ uses.
        host, port: of the peer.
        opened_s: when, on the monotonic clock.
        delivered: bytes that arrived in whole messages.
        worker: whose it is, once it has said so.
        doomed_s: when it will be cut, so that a last message can leave before.
    """

    handle: socket.socket
    host: str
    port: int
    opened_s: float
    delivered: int = 0
    worker: str = ""
    doomed_s: float = float("inf")

    def silent_s(self) -> float:
        """Seconds since the last byte arrived; infinite where the kernel does not say."""
        info = self._info()
        if len(info) < _LAST_DATA_RECEIVED.size:
            return float("inf")
        return _LAST_DATA_RECEIVED.unpack_from(info)[0] / 1000

    def undelivered(self) -> int:
        """Bytes that arrived in no whole message yet; 0 where the kernel does not say."""
        info = self._info()
        if len(info) < _BYTES_RECEIVED.size:
            return 0
        received = _BYTES_RECEIVED.unpack_from(info)[0]
        # Framing and encryption make the count of delivered bytes a little wrong: do not add up.
        self.delivered = min(self.delivered, received)
        return received - self.delivered

    def established(self) -> bool:
        """Whether the peer still holds its end open."""
        info = self._info()
        return bool(info) and info[0] == _STATE_ESTABLISHED

    def cut(self) -> None:
        """End the connection, whoever else holds its descriptor."""
        with contextlib.suppress(OSError):
            # With a plain end, a peer that waits to send more waits for a minute.
            self.handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.handle.shutdown(socket.SHUT_RDWR)

    def _info(self) -> bytes:
        if not hasattr(socket, "TCP_INFO"):
            return b""
        try:
            return self.handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        except OSError:
            return b""


@dataclass(frozen=True)
class Change:
    """What a socket's monitor reported: ``event`` and ``value`` are ZeroMQ's own."""

    event: int
    value: int
    connection: Connection | None


class Connections:
    """All connections of one socket, by the descriptor that ZeroMQ uses.

    Args:
        watched: the socket; it is watched from now on, so bind or connect it later.
    """

    def __init__(self, watched: zmq.Socket[bytes]) -> None:
        self._watched = watched
        self.monitor = watched.get_monitor_socket(WATCHED)
        self._open: dict[int, Connection] = {}

    def changes(self, now_s: float) -> list[Change]:
        """What happened since the last call; a connection that ended is closed here too."""
        changes = []
        while True:
            try:
                message = parse_monitor_message(self.monitor.recv_multipart(zmq.NOBLOCK))
            except zmq.Again:
                return changes
            event, value = int(message["event"]), int(message["value"])
            if event & OPENED:
                self._add(value, now_s)
                changes.append(Change(event, value, self._open.get(value)))
            elif event & zmq.EVENT_DISCONNECTED:
                changes.append(Change(event, value, self._open.pop(value, None)))
            else:
                changes.append(Change(event, value, None))

    def of(self, frame: zmq.Frame) -> Connection | None:
        """Connection that a received frame came over."""
        try:
            return self._open.get(int(frame.get(zmq.SRCFD)))
        except zmq.ZMQError:
            return None

    def all(self) -> list[Connection]:
        """Open connections."""
        return list(self._open.values())

    def close(self) -> None:
        """Stop watching."""
        self._watched.disable_monitor()
        self.monitor.close(linger=0)
        for connection in self._open.values():
            connection.handle.close()
        self._open.clear()

    def _add(self, descriptor: int, now_s: float) -> None:
        replaced = self._open.pop(descriptor, None)
        if replaced:
            replaced.cut()
            replaced.handle.close()
        try:
            handle = socket.socket(fileno=os.dup(descriptor))
        except OSError:
            return
        try:
            host, port = handle.getpeername()[:2]
        except OSError:
            handle.close()
            return
        self._open[descriptor] = Connection(handle, host, port, now_s)

"""Who may open an encrypted connection: ZeroMQ's authentication protocol (ZAP, RFC 27).

CURVE alone lets every key in. This answers each handshake from a folder of allowed keys.
"""

from __future__ import annotations

import zmq
from zmq.utils import z85

from dexctl.wire.keys import AllowList, ServerKeys

DOMAIN = b"dexctl"
ADDRESS = "inproc://zeromq.zap.01"


class Gate:
    """Answers the handshakes of one ZeroMQ context.

    Args:
        context: whose sockets ask.
        keys: the server's, with the folder of allowed keys.

    Attributes:
        socket: readable when somebody waits for an answer.
        allowed: the folder.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], keys: ServerKeys) -> None:
        self._keys = keys
        self.allowed = AllowList(keys.allowed)
        self.socket = context.socket(zmq.REP)
        self.socket.bind(ADDRESS)

    def guard(self, server: zmq.Socket[bytes]) -> None:
        """Make a socket, before it is bound, speak CURVE and ask here."""
        server.curve_server = True
        server.curve_publickey = self._keys.public
        server.curve_secretkey = self._keys.secret
        server.zap_domain = DOMAIN
        server.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)

    def answer(self) -> list[tuple[str, str]]:
        """Answer everybody who waits.

        Returns:
            Address and reason of those refused.
        """
        refused = []
        while True:
            try:
                request = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return refused
            _, number, _, address, _, mechanism, *credentials = request
            key = z85.encode(credentials[0]) if mechanism == b"CURVE" and credentials else b""
            if key in self.allowed.names:
                reply = [b"1.0", number, b"200", b"OK", key, b""]
            else:
                reply = [b"1.0", number, b"400", b"this key is not allowed", b"", b""]
                refused.append((address.decode(), f"key {key.decode()} is not allowed"))
            self.socket.send_multipart(reply)

    def close(self) -> None:
        """Stop answering."""
        self.socket.close(linger=0)

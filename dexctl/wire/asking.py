"""Asking an optimizer who works for it, without being a worker."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import zmq

from dexctl.errors import DexctlError, ProtocolError, RefusedError, UnavailableError
from dexctl.wire.connections import FAILED, Connections
from dexctl.wire.endpoint import host_of
from dexctl.wire.keys import WorkerKeys
from dexctl.wire.messages import OPTIMIZER_CONTROL_BYTES, Answer, Ask, Fault, Refuse, decode_from_optimizer, encode

# How long those who ask take to notice that nobody waits for them any more.
TURN_S = 0.5


def ask_all(endpoints: Sequence[str], keys: WorkerKeys | None, timeout_s: float) -> dict[str, Answer | DexctlError]:
    """What all of them answer to ``ask``, at the same time, or why there is no answer; by endpoint.

    Ctrl-C ends the asking, however long the time it was given.

    Raises:
        UsageError: one is no endpoint.
    """
    for endpoint in endpoints:
        host_of(endpoint)
    given_up = threading.Event()

    def answer(endpoint: str) -> Answer | DexctlError:
        try:
            return ask(endpoint, keys, timeout_s, given_up)
        except DexctlError as error:
            return error

    with ThreadPoolExecutor(len(endpoints)) as asking:
        try:
            return dict(zip(endpoints, asking.map(answer, endpoints), strict=True))
        finally:
            # Leaving waits for the threads.
            given_up.set()


def ask(endpoint: str, keys: WorkerKeys | None, timeout_s: float, given_up: threading.Event | None = None) -> Answer:
    """Who works for the optimizer at an endpoint.

    Args:
        keys: those of a worker that is let in, None where the optimizer has none.
        timeout_s: how long to wait for the answer.
        given_up: ends the wait as if the time were over, soon after it is set.

    Raises:
        UsageError: it is no endpoint.
        UnavailableError: nobody answers.
        RefusedError: the key is not let in, or the other side is no optimizer.
        ProtocolError: it speaks another protocol.
    """
    host = host_of(endpoint)
    with zmq.Context() as context, context.socket(zmq.DEALER) as client:
        client.linger = 0
        client.ipv6 = ":" in host
        client.maxmsgsize = OPTIMIZER_CONTROL_BYTES
        if keys:
            client.curve_publickey, client.curve_secretkey, client.curve_serverkey = (
                keys.public,
                keys.secret,
                keys.server,
            )
        connections = Connections(client)
        try:
            client.connect(endpoint)
            client.send(encode(Ask()))
            return _answer(client, connections, endpoint, time.monotonic() + timeout_s, given_up or threading.Event())
        finally:
            connections.close()


def _answer(
    client: zmq.Socket[bytes],
    connections: Connections,
    endpoint: str,
    deadline_s: float,
    given_up: threading.Event,
) -> Answer:
    poller = zmq.Poller()
    for source in (client, connections.monitor):
        poller.register(source, zmq.POLLIN)
    while (left_s := deadline_s - time.monotonic()) > 0 and not given_up.is_set():
        ready = dict(poller.poll(int(min(left_s, TURN_S) * 1000) + 1))
        if client in ready:
            return _read(client.recv_multipart()[0], endpoint)
        changes = connections.changes(time.monotonic())
        for change in changes:
            if change.event == zmq.EVENT_DISCONNECTED and change.connection:
                change.connection.handle.close()
        if any(change.event & FAILED for change in changes):
            raise RefusedError(
                f"no handshake with {endpoint}: its keys do not fit ours, or it is no optimizer",
                "Give --key of a worker that it lets in, and its --server-key.",
            )
    raise UnavailableError(f"no answer from {endpoint}", "Check the endpoint, and whether the optimizer runs.")


def _read(frame: bytes, endpoint: str) -> Answer:
    try:
        message = decode_from_optimizer(memoryview(frame))
    except Fault as fault:
        raise ProtocolError(f"{endpoint} sent {fault.reason}", "Use the optimizer's version of dexctl.") from None
    if isinstance(message, Answer):
        return message
    reason = message.reason if isinstance(message, Refuse) else "it sent something else than an answer"
    raise ProtocolError(f"{endpoint}: {reason}", "Use the optimizer's version of dexctl.")

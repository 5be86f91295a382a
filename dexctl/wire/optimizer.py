"""The optimizer's end of the wire: takes experience in, gives parameters out."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import partial
from types import TracebackType
from typing import Self

import numpy as np
import zmq

from dexctl.errors import CreateError
from dexctl.profile import schema
from dexctl.wire.arrivals import Arrival, Segment, Woken
from dexctl.wire.connections import Connections
from dexctl.wire.endpoint import host_to_bind
from dexctl.wire.gate import Gate
from dexctl.wire.keys import ServerKeys
from dexctl.wire.layout import Layout
from dexctl.wire.messages import PIECES_AHEAD, WORKER_CONTROL_BYTES, WorkerView
from dexctl.wire.optimizer_thread import FRAME_OVERHEAD_BYTES, OptimizerThread
from dexctl.wire.parameters import Packing


class OptimizerEndpoint:
    """Binds, and serves workers in a thread of its own until it is closed.

    The methods are for one thread.

    Args:
        bind: ``tcp://HOST:PORT``; port 0 takes a free one.
        profile_json: given to workers that ask for the profile.
        digest: of the profile; a worker with another is refused.
        layout: of every segment.
        wire: credits, heartbeats, bounds.
        seed: of the run, given to workers.
        keys: encrypt, and let in only the allowed keys.
        insecure: bind off loopback without keys all the same.
        indices: to be given to workers; several optimizers of one run give different ones.
        only: names of the workers that are let in, None for any; others are told why not.

    Attributes:
        endpoint: what workers connect to, with the real port.

    Raises:
        UsageError: ``bind`` is not a TCP endpoint.
        RefusedError: off loopback without keys.
        CreateError: the address is taken, or is not one of this machine's.
    """

    def __init__(
        self,
        bind: str,
        profile_json: bytes,
        digest: str,
        layout: Layout,
        wire: schema.Wire,
        seed: int,
        keys: ServerKeys | None = None,
        insecure: bool = False,
        indices: range = range(1 << 30),
        only: frozenset[str] | None = None,
    ) -> None:
        host = host_to_bind(bind, keys, insecure)
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(_io_threads())
        server = context.socket(zmq.ROUTER)
        server.linger = 0
        server.ipv6 = ":" in host
        server.router_mandatory = True
        server.backlog = 1024
        server.handshake_ivl = 10_000
        server.maxmsgsize = max(layout.largest_frame, WORKER_CONTROL_BYTES) + FRAME_OVERHEAD_BYTES
        server.rcvhwm = wire.credits + PIECES_AHEAD + 16
        server.sndhwm = wire.credits + PIECES_AHEAD + 64
        gate = Gate(context, keys) if keys else None
        if gate:
            gate.guard(server)
        connections = Connections(server)
        try:
            server.bind(bind)
        except zmq.ZMQError as error:
            connections.close()
            context.destroy(linger=0)
            raise CreateError(
                f"cannot bind {bind}: {error.strerror}",
                "Choose another --bind; port 0 takes a free one.",
            ) from None
        self.endpoint = server.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")
        self._version = 0
        self._thread = OptimizerThread(
            context,
            server,
            connections,
            gate,
            (digest, profile_json, seed),
            layout,
            wire,
            indices,
            only,
        )
        self._thread.start()

    def publish(self, version: int, parameters: Mapping[str, np.ndarray]) -> None:
        """Offer newer parameters to every worker; they are copied before this returns.

        Args:
            version: greater than the one before, from 1.
            parameters: float32 arrays by name.

        Raises:
            ValueError: a version that is not newer, or parameters that are not finite.
        """
        if version <= self._version:
            raise ValueError(f"version {version} after {self._version}")
        packing = Packing(version, parameters)
        block = memoryview(bytearray(packing.num_bytes))
        packing.write(block)
        self._thread.command(partial(self._thread.publish, version, block))
        self._version = version

    def receive(self, timeout_s: float, wakeup_fd: int | None = None) -> list[Arrival]:
        """Everything that arrived, at once when there is something, else after a wait.

        Args:
            timeout_s: at most so long.
            wakeup_fd: a descriptor that ends the wait; it is not read here.

        Returns:
            Arrivals in order; empty after ``timeout_s``; ``Woken`` last, if woken.
        """
        deadline_s = time.monotonic() + timeout_s
        while True:
            inbox = self._thread.inbox
            wait_s = 0.0 if inbox else deadline_s - time.monotonic()
            woken = self._thread.bell.wait(wait_s, wakeup_fd)
            arrivals = [inbox.popleft() for _ in range(len(inbox))]
            if woken:
                arrivals.append(Woken())
            if not self._thread.is_alive() and self._thread.failure:
                raise self._thread.failure
            if arrivals or time.monotonic() >= deadline_s:
                return arrivals

    def acknowledge(self, segment: Segment) -> None:
        """Give the credit back: call it when the segment has been taken."""
        self._thread.acknowledge(segment)

    def wake(self) -> None:
        """End a wait of ``receive``, from any thread."""
        self._thread.inbox.append(Woken())
        self._thread.bell.ring()

    def workers(self) -> list[WorkerView]:
        """Living workers, by index."""
        return self._thread.views()

    def dismiss(self, reason: str) -> None:
        """Tell every worker, now and later, that the training is over and it may leave.

        Args:
            reason: for the worker's own log, not empty.
        """
        self._thread.command(partial(self._thread.dismiss, reason))

    def close(self) -> None:
        """Stop serving; workers that were not dismissed wait for another until they are orphans."""
        self._thread.command(self._thread.stop)
        self._thread.join(timeout=5.0)
        self._thread.bell.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _io_threads() -> int:
    # One thread of ZeroMQ moves about 3 GB/s, or 1 GB/s encrypted.
    return min(4, max(1, (os.cpu_count() or 1) // 4))

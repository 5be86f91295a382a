"""The other processes of the wire bench: they send, or follow, until they are killed.

``python wire_peers.py ROLE ARGUMENTS``; a role is a function of this file.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from pathlib import Path

import numpy as np
import zmq

from dexctl.profile.schema import Wire
from dexctl.wire.keys import WorkerKeys, worker_keys
from dexctl.wire.worker import Dismissed, WorkerEndpoint

LOOPBACK = "127.0.0.1"
# Blocks that may be on their way: enough to hide how long threads take to wake.
UNDER_WAY = 16
WIRE = Wire(credits=UNDER_WAY, buffer_mib=1024, heartbeat_s=1.0, timeout_s=10.0, orphan_timeout_s=60.0)


def block(size: int) -> np.ndarray:
    """What is sent: float32, so many bytes."""
    return np.random.default_rng(0).standard_normal(size // 4, dtype=np.float32)


def read_block(connection: socket.socket, size: int) -> memoryview:
    """One block from a socket, in memory of its own, as everybody reads who keeps what he gets."""
    view = memoryview(np.empty(size, np.uint8))
    received = 0
    while received < size:
        count = connection.recv_into(view[received:])
        if not count:
            raise ConnectionError("the other side is gone")
        received += count
    return view


def bare_socket(port: str, size: str) -> None:
    """Sends blocks by ``sendall``."""
    content = block(int(size)).data.cast("B")
    with socket.create_connection((LOOPBACK, int(port))) as connection:
        while True:
            connection.sendall(content)


def bare_curve(port: str, size: str, folder: str) -> None:
    """Sends blocks from a DEALER with CURVE, with credits, without a copy, and nothing else."""
    keys, content, credit = sender_keys(folder), block(int(size)).data.cast("B"), 0
    with zmq.Context() as context, context.socket(zmq.DEALER) as client:
        client.curve_publickey, client.curve_secretkey, client.curve_serverkey = keys.public, keys.secret, keys.server
        client.connect(f"tcp://{LOOPBACK}:{port}")
        client.send(b"hello")
        while True:
            while not credit:
                credit += client.recv()[0]
            client.send_multipart([b"header", content], copy=False)
            credit -= 1


def wire(endpoint: str, size: str, folder: str) -> None:
    """Sends segments; with a folder of keys, encrypted."""
    content = block(int(size))
    keys = sender_keys(folder) if folder else None
    with WorkerEndpoint([endpoint], "", WIRE, keys) as worker:
        worker.join()
        with contextlib.suppress(Dismissed):
            while True:
                worker.send(0, {"block": content})


def sender_keys(folder: str) -> WorkerKeys:
    """Keys of the sending side."""
    return worker_keys(Path(folder, "worker.key_secret"), Path(folder, "optimizer.key"))


def redis(port: str, size: str) -> None:
    """Pushes blocks into a list, not further ahead than the others."""
    from redis import Redis

    client, content = Redis(LOOPBACK, int(port)), block(int(size)).tobytes()
    while True:
        if int(client.rpush("blocks", content)) >= UNDER_WAY:
            time.sleep(0.0005)


def follow(endpoint: str, folder: str) -> None:
    """Copies parameters when told to on stdin, and says so."""
    with WorkerEndpoint([endpoint], "", WIRE, shared_folder=Path(folder)) as worker:
        worker.join()
        taken = worker.parameters(wait_for=1)
        assert taken is not None
        found = taken[1]
        mine = {name: array.copy() for name, array in found.items()}
        print("ready", flush=True)
        for order in sys.stdin:
            if order.startswith("follow"):
                taken = worker.parameters(wait_for=int(order.split()[1]))
                assert taken is not None
                found = taken[1]
            for name, array in found.items():
                np.copyto(mine[name], array)
            print("done", flush=True)


def drain(port: str, size: str) -> None:
    """Takes blocks from a socket and answers each with a byte."""
    with socket.create_connection((LOOPBACK, int(port))) as connection, contextlib.suppress(ConnectionError):
        while True:
            read_block(connection, int(size))
            connection.sendall(b"\1")


if __name__ == "__main__":
    roles = {role.__name__: role for role in (bare_socket, bare_curve, wire, redis, follow, drain)}
    with contextlib.suppress(ConnectionError):
        roles[sys.argv[1]](*sys.argv[2:])

"""Experience and parameters over the wire, beside bare sockets, bare ZeroMQ with CURVE, and Redis.

Experience: one process sends blocks of float32 as fast as they are taken, another takes them;
MB/s at 1 and 8 MiB a block. Ours checks every number of every block. Parameters: 12 MB to sixteen
processes of one host, timed until the last has copied them; beside it, sixteen copies from shared
memory plus a bare socket's transfer, to each of the sixteen, or just one as the host is sent one.
Redis is left out where redis-server or redis-py is not installed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import zmq
from harness import Case, bench
from wire_peers import LOOPBACK, UNDER_WAY, WIRE, block, read_block

from dexctl.console.key_pair import make_key_pair
from dexctl.wire.arrivals import Segment
from dexctl.wire.kept_memory import keep_freed_memory
from dexctl.wire.keys import ServerKeys, server_keys
from dexctl.wire.layout import ArrayLayout, Layout
from dexctl.wire.optimizer import OptimizerEndpoint

BLOCKS = {"1_mib": 1 << 20, "8_mib": 8 << 20}
MEASURED_S, WARM_UP_BLOCKS = 0.5, 20
SUBSCRIBERS = 16
PARAMETERS = {f"layer{i}": np.full((1000, 1000), i, np.float32) for i in range(3)}
PARAMETER_BYTES = sum(array.nbytes for array in PARAMETERS.values())


@contextlib.contextmanager
def peer(role: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Another process, killed at the end."""
    command = [sys.executable, str(Path(__file__).with_name("wire_peers.py")), role, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def rate(size: int, take: Callable[[], object]) -> float:
    """MB/s of a receiver, from when it runs warm."""
    for _ in range(WARM_UP_BLOCKS):
        take()
    count, start_s = 0, time.perf_counter()
    while time.perf_counter() - start_s < MEASURED_S:
        take()
        count += 1
    return count * size / (time.perf_counter() - start_s) / 1e6


def bare_socket(size: int) -> float:
    """MB/s of ``sendall``."""
    with socket.create_server((LOOPBACK, 0)) as server, peer("bare_socket", server.getsockname()[1], size):
        connection, _ = server.accept()
        with connection:
            return rate(size, lambda: read_block(connection, size))


def bare_curve(size: int, keys: ServerKeys, folder: Path) -> float:
    """MB/s of a ROUTER with CURVE."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as server:
        server.linger = 0
        server.curve_server, server.curve_publickey, server.curve_secretkey = True, keys.public, keys.secret
        port = server.bind_to_random_port(f"tcp://{LOOPBACK}")
        with peer("bare_curve", port, size, folder):
            route, _ = server.recv_multipart()
            server.send_multipart([route, bytes([UNDER_WAY])])

            def take() -> None:
                server.recv_multipart(copy=False)
                server.send_multipart([route, b"\1"])

            return rate(size, take)


def wire(size: int, keys: ServerKeys | None, folder: Path) -> float:
    """MB/s of an optimizer that takes every segment."""
    layout = Layout(1, 1, (ArrayLayout("block", "float32", (size // 4,)),))
    waiting: list[Segment] = []
    with OptimizerEndpoint(f"tcp://{LOOPBACK}:0", b"{}", "bench", layout, WIRE, 0, keys) as optimizer:

        def take() -> None:
            while not waiting:
                waiting.extend(arrival for arrival in optimizer.receive(10.0) if isinstance(arrival, Segment))
            optimizer.acknowledge(waiting.pop(0))

        with peer("wire", optimizer.endpoint, size, folder if keys else ""):
            return rate(size, take)


def redis(size: int, folder: Path) -> float:
    """MB/s of BLPOP, what the paper's system did."""
    from redis import ConnectionError as NotYet
    from redis import Redis

    with socket.create_server((LOOPBACK, 0)) as free:
        port = free.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", LOOPBACK, "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            client = Redis(LOOPBACK, port)
            for _ in range(500):
                with contextlib.suppress(NotYet):
                    client.ping()
                    break
                time.sleep(0.01)
            with peer("redis", port, size):
                return rate(size, lambda: client.blpop(["blocks"], timeout=10))
        finally:
            server.kill()


class Publishing:
    """An optimizer and sixteen processes on one host, started once for all runs."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        layout = Layout(1, 1, (ArrayLayout("x", "uint8", ()),))
        self._optimizer = stack.enter_context(OptimizerEndpoint(f"tcp://{LOOPBACK}:0", b"{}", "bench", layout, WIRE, 0))
        self._optimizer.publish(1, PARAMETERS)
        self._version = 1
        self._followers = [
            stack.enter_context(peer("follow", self._optimizer.endpoint, folder / "memory")) for _ in range(SUBSCRIBERS)
        ]
        self._answers()

    def __call__(self) -> dict[str, float]:
        """Publishes, copies, and sends over a bare socket."""
        publish_s, copies_s, transfer_s = self._publish(), self._copy(), self._send()
        return {
            "publish_s": publish_s,
            "copies_and_sixteen_transfers_s": copies_s + SUBSCRIBERS * transfer_s,
            "copies_and_one_transfer_s": copies_s + transfer_s,
        }

    def _publish(self) -> float:
        self._version += 1
        self._order(f"follow {self._version}")
        # Until all of them wait.
        time.sleep(0.3)
        start_s = time.perf_counter()
        self._optimizer.publish(self._version, PARAMETERS)
        self._answers()
        return time.perf_counter() - start_s

    def _copy(self) -> float:
        start_s = time.perf_counter()
        self._order("copy")
        self._answers()
        return time.perf_counter() - start_s

    def _send(self) -> float:
        content = block(PARAMETER_BYTES).data.cast("B")
        with (
            socket.create_server((LOOPBACK, 0)) as server,
            peer("drain", server.getsockname()[1], PARAMETER_BYTES),
            server.accept()[0] as connection,
        ):
            times_s = []
            for _ in range(5):
                start_s = time.perf_counter()
                connection.sendall(content)
                connection.recv(1)
                times_s.append(time.perf_counter() - start_s)
            return sorted(times_s)[2]

    def _order(self, order: str) -> None:
        for follower in self._followers:
            print(order, file=follower.stdin, flush=True)

    def _answers(self) -> None:
        for follower in self._followers:
            if not follower.stdout or not follower.stdout.readline():
                raise SystemExit("a subscriber ended early")


def main() -> None:
    """Measures everything that is installed, in a process that keeps its memory, as the optimizer does."""
    keep_freed_memory()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dexctl-bench-")))
        (folder / "allowed").mkdir()
        for name in ("optimizer", "worker"):
            make_key_pair(folder / name)
        shutil.copy(folder / "worker.key", folder / "allowed")
        keys = server_keys(folder / "optimizer.key_secret", folder / "allowed")
        ways: dict[str, Callable[[int], float]] = {
            "socket": bare_socket,
            "experience": lambda size: wire(size, None, folder),
            "bare_curve": lambda size: bare_curve(size, keys, folder),
            "curve": lambda size: wire(size, keys, folder),
        }
        ratios = {"experience_over_socket": ("experience", "socket"), "curve_over_bare_curve": ("curve", "bare_curve")}
        if shutil.which("redis-server") and importlib.util.find_spec("redis"):
            ways["redis"] = lambda size: redis(size, folder)
            ratios["experience_over_redis"] = ("experience", "redis")
        cases: list[Case] = [case(name, way, label) for label in BLOCKS for name, way in ways.items()]
        bench(
            "wire",
            [*cases, Publishing(folder, stack)],
            {
                **{
                    f"{ratio}_{label}": (f"{above}_{label}_mb_s", f"{below}_{label}_mb_s")
                    for ratio, (above, below) in ratios.items()
                    for label in BLOCKS
                },
                "publish_over_copy": ("publish_s", "copies_and_sixteen_transfers_s"),
                "publish_over_copy_and_one_transfer": ("publish_s", "copies_and_one_transfer_s"),
            },
        )


def case(name: str, way: Callable[[int], float], label: str) -> Case:
    """One way at one size."""
    return lambda: {f"{name}_{label}_mb_s": way(BLOCKS[label])}


if __name__ == "__main__":
    main()

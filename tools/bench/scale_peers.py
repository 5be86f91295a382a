"""The other processes of the scale bench: an optimizer's front end, and one process that stands in for many workers.

``python scale_peers.py ROLE OPTIONS-AS-JSON``. The front end takes every segment and does nothing with
it. The workers are bare TCP connections that speak ZMTP 3.1 and the wire protocol: they greet, send
a recorded segment when one is due and a credit is there, say that they live, and one of each sixteen fetches
the parameters. Both count what goes over their connections: the workers every message and every byte that
they wrote and read, the front end what the kernel says that it got and that was taken of it.
"""

from __future__ import annotations

import heapq
import itertools
import json
import os
import resource
import selectors
import socket
import struct
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from recorded import Recorded, read

from dexctl.profile.schema import Wire
from dexctl.wire.arrivals import Segment
from dexctl.wire.messages import (
    PIECE_BYTES,
    PIECES_AHEAD,
    Announce,
    Credit,
    Fetch,
    Gone,
    Have,
    Hello,
    Message,
    Piece,
    Ping,
    Refuse,
    SegmentHeader,
    Welcome,
    decode_from_optimizer,
    encode,
)
from dexctl.wire.optimizer import OptimizerEndpoint

WIRE = Wire(credits=4, buffer_mib=2048, heartbeat_s=5.0, timeout_s=60.0, orphan_timeout_s=600.0)
WORKERS_A_HOST = 16
# struct tcp_info of Linux: tcpi_bytes_acked, tcpi_bytes_received.
BYTES_TAKEN_AND_RECEIVED = struct.Struct("=120xQQ")
# So many handshakes at once, below what a listening socket keeps waiting.
CONNECTING = 256


def say(**fields: object) -> None:
    """One line of JSON."""
    print(json.dumps(fields), flush=True)


def front(options: dict[str, object]) -> None:
    """Serves; for each line on stdin, measures so many seconds and tells what it took and what it cost."""
    layout = read(Path(str(options["recorded"]))).layout
    with OptimizerEndpoint("tcp://127.0.0.1:0", b"{}", "scale", layout, WIRE, 0) as optimizer:
        version = itertools.count(1)
        parameters = {"weights": np.zeros(int(str(options["parameter_bytes"])) // 4, np.float32)}
        optimizer.publish(next(version), parameters)
        say(endpoint=optimizer.endpoint)

        def take(until_s: float) -> int:
            segments = 0
            while (left_s := until_s - time.perf_counter()) > 0:
                for arrival in optimizer.receive(left_s):
                    if isinstance(arrival, Segment):
                        optimizer.acknowledge(arrival)
                        segments += 1
            return segments

        for line in sys.stdin:
            seconds = json.loads(line)
            if not seconds:
                # Until all have come.
                take(time.perf_counter() + 0.2)
                say(workers=len(optimizer.workers()))
                continue
            optimizer.publish(next(version), parameters)
            received, sent = carried()
            started_s, spent_s = time.perf_counter(), time.process_time()
            segments = take(started_s + seconds)
            seconds, cpu_s = time.perf_counter() - started_s, time.process_time() - spent_s
            received_by_now, sent_by_now = carried()
            say(
                segments=segments,
                seconds=seconds,
                cpu_s=cpu_s,
                received_bytes=received_by_now - received,
                sent_bytes=sent_by_now - sent,
                memory_mib=most_memory_mib(),
            )


def most_memory_mib() -> float:
    """Of this process so far; what the system accounts to it begins with that of the process that started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def carried() -> tuple[int, int]:
    """Bytes that came over this process's TCP connections so far, and bytes that their other ends took, by the kernel.

    Of connections that are open: none closes while a front end is measured.
    """
    received, taken, seen = 0, 0, set()
    for name in os.listdir("/proc/self/fd"):
        try:
            handle = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue  # No socket, or the descriptor of the listing itself.
        with handle:
            # The program keeps a second descriptor of each.
            inode = os.fstat(handle.fileno()).st_ino
            if handle.family == socket.AF_INET and inode not in seen:
                seen.add(inode)
                info = handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
                taken += BYTES_TAKEN_AND_RECEIVED.unpack_from(info)[0]
                received += BYTES_TAKEN_AND_RECEIVED.unpack_from(info)[1]
    return received, taken


def frame(content: bytes | memoryview, more: bool) -> bytes:
    """One frame of ZMTP."""
    size = len(content)
    head = struct.pack(">BB", more, size) if size < 256 else struct.pack(">BQ", more | 2, size)
    return head + bytes(content)


def kind(message: Message) -> str:
    """Of a message, as on the wire."""
    return str(message.__struct_config__.tag)


GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x05READY\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
OPENING = GREETING + struct.pack(">BB", 4, len(READY)) + READY


@dataclass
class Account:
    """What all workers wrote and read: messages by kind, and bytes, greetings and frame heads among them."""

    sent: Counter[str] = field(default_factory=Counter)
    received: Counter[str] = field(default_factory=Counter)
    sent_bytes: int = 0
    received_bytes: int = 0


class Worker:
    """One connection that behaves as a worker does."""

    def __init__(self, number: int, endpoint: str, recorded: Recorded, account: Account) -> None:
        self.name, self._recorded, self._account = f"worker-{number}", recorded, account
        self._host = f"host-{number // WORKERS_A_HOST}"
        parts = urlsplit(endpoint)
        self.socket = socket.create_connection((parts.hostname, parts.port))
        self.socket.setblocking(False)
        self._in = bytearray()
        self._greeted = False
        self._message: list[bytes] = []
        self.out: deque[memoryview] = deque()
        self.credits = self.segments = self._version = 0
        self._news: Announce | None = None
        self._fetching: tuple[int, int, int, int] | None = None
        self.joined = False
        self._put(OPENING)
        self._hello = Hello(
            worker=self.name,
            incarnation=number,
            token=b"",
            digest="",
            layout="",
            pid=number,
            host=self._host,
            memory=self._host,
            sequence=0,
        )

    def _put(self, content: bytes) -> None:
        self.out.append(memoryview(content))

    def _say(self, message: Message, more: bool = False) -> None:
        self._account.sent[kind(message)] += 1
        self._put(frame(encode(message), more))

    def alive(self) -> None:
        """The heartbeat."""
        self._say(Ping(version=self._version))

    def segment(self, body: bytes) -> None:
        """One segment, whose array frames are ready."""
        self.credits -= 1
        self.segments += 1
        header = SegmentHeader(
            worker=self.name,
            sequence=self.segments,
            version=self._version,
            report=self._recorded.report,
            environments=self._recorded.layout.environments,
            steps=self._recorded.layout.steps,
        )
        self._say(header, more=True)
        self._put(body)

    def write(self) -> bool:
        """Sends what the connection takes; whether something is left."""
        while self.out:
            try:
                sent = self.socket.send(self.out[0])
            except BlockingIOError:
                return True
            self._account.sent_bytes += sent
            if sent < len(self.out[0]):
                self.out[0] = self.out[0][sent:]
                return True
            self.out.popleft()
        return False

    def read(self) -> None:
        """Takes what has come."""
        before = len(self._in)
        try:
            self._in += self.socket.recv(4 << 20)
        except BlockingIOError:
            return
        if len(self._in) == before:
            raise SystemExit(f"{self.name} was cut off")
        self._account.received_bytes += len(self._in) - before
        if not self._greeted:
            if len(self._in) < len(GREETING):
                return
            del self._in[: len(GREETING)]
            self._greeted = True
        while len(self._in) >= 2:
            flags, long = self._in[0], bool(self._in[0] & 2)
            if long and len(self._in) < 9:
                return
            start = 9 if long else 2
            end = start + (struct.unpack_from(">Q", self._in, 1)[0] if long else self._in[1])
            if len(self._in) < end:
                return
            content = bytes(self._in[start:end])
            del self._in[:end]
            if flags & 4:
                # The other side is ready; what comes before is no message to it.
                self._say(self._hello)
                continue
            self._message.append(content)
            if not flags & 1:
                message = decode_from_optimizer(memoryview(self._message[0]))
                self._account.received[kind(message)] += 1
                self._handle(message, self._message[1:])
                self._message = []

    def _handle(self, message: object, rest: list[bytes]) -> None:
        match message:
            case Welcome():
                self.joined, self.credits = True, self.credits + message.credits
            case Credit():
                self.credits += message.credits
            case Announce(share=False):
                self._has(message.version)
            case Announce():
                self._news = message
                self._begin()
            case Piece() if self._fetching:
                version, size, requested, received = self._fetching
                self._fetching = (version, size, requested, received + len(rest[0]))
                if received + len(rest[0]) == size:
                    self._fetching = None
                    self._has(version)
                    self._begin()
                else:
                    self._ask()
            case Gone():
                self._fetching = None
                self._begin()
            case Refuse():
                raise SystemExit(f"{self.name} was refused: {message.reason}")

    def _begin(self) -> None:
        if self._fetching is None and self._news and self._news.version > self._version:
            self._fetching = (self._news.version, self._news.size, 0, 0)
            self._ask()

    def _has(self, version: int) -> None:
        self._version = version
        self._say(Have(version=version, shared=True))

    def _ask(self) -> None:
        assert self._fetching
        version, size, requested, received = self._fetching
        while requested < min(size, received + PIECES_AHEAD * PIECE_BYTES):
            self._say(Fetch(version=version, offset=requested))
            requested += PIECE_BYTES
        self._fetching = (version, size, requested, received)


def workers(options: dict[str, object]) -> None:
    """Connects all workers, says so, and works until it is killed; for each line on stdin tells its account."""
    recorded = read(Path(str(options["recorded"])))
    layout = recorded.layout
    endpoints = options["endpoints"]
    assert isinstance(endpoints, list)
    count, steps_per_s = int(str(options["workers"])), float(str(options["steps_per_s"]))
    last = len(recorded.frames) - 1
    body = b"".join(frame(content, index < last) for index, content in enumerate(recorded.frames))
    interval_s = layout.steps * layout.environments * count / steps_per_s if steps_per_s else 0.0
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    account = Account()
    all_of_them: list[Worker] = []
    due: list[tuple[float, int, bool]] = []
    told = False
    random = np.random.default_rng(0)
    stuck: set[int] = set()
    while True:
        waiting = sum(not worker.joined for worker in all_of_them[-2 * CONNECTING :])
        while len(all_of_them) < count and waiting < CONNECTING:
            number = len(all_of_them)
            # Workers choose one of the endpoints at random.
            worker = Worker(number, endpoints[int(random.integers(len(endpoints)))], recorded, account)
            all_of_them.append(worker)
            selector.register(worker.socket, selectors.EVENT_READ, number)
            worker.write()
            now_s, waiting = time.perf_counter(), waiting + 1
            heapq.heappush(due, (now_s + (1 + float(random.random())) * WIRE.heartbeat_s, number, False))
        touched: set[int] = set()
        for key, _ in selector.select(max(0.0, due[0][0] - time.perf_counter()) if due else 0.01):
            if key.fileobj is sys.stdin:
                if not sys.stdin.readline():
                    return
                say(
                    sent=account.sent,
                    received=account.received,
                    sent_bytes=account.sent_bytes,
                    received_bytes=account.received_bytes,
                    segments=[worker.segments for worker in all_of_them],
                )
                continue
            all_of_them[key.data].read()
            touched.add(key.data)
        if not told and len(all_of_them) == count and all(worker.joined for worker in all_of_them):
            told = True
            say(joined=count)
            for number in range(count):
                heapq.heappush(due, (time.perf_counter() + float(random.random()) * interval_s, number, True))
        now_s = time.perf_counter()
        while due and due[0][0] <= now_s:
            at_s, number, is_segment = heapq.heappop(due)
            worker = all_of_them[number]
            touched.add(number)
            if not is_segment:
                if worker.joined:
                    worker.alive()
                heapq.heappush(due, (at_s + WIRE.heartbeat_s, number, False))
            elif worker.credits:
                worker.segment(body)
                heapq.heappush(due, (max(at_s + interval_s, now_s - interval_s), number, True))
            else:
                # Held back: the rate is then that of the credits.
                heapq.heappush(due, (now_s + 0.02, number, True))
        for number in touched | stuck:
            worker = all_of_them[number]
            left = bool(worker.out) and worker.write()
            if left != (number in stuck):
                (stuck.add if left else stuck.discard)(number)
                events = selectors.EVENT_READ | (selectors.EVENT_WRITE if left else 0)
                selector.modify(worker.socket, events, number)


if __name__ == "__main__":
    # A descriptor a worker here, two a worker at a front end.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    {"front": front, "workers": workers}[sys.argv[1]](json.loads(sys.argv[2]))

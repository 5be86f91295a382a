"""Two ends of the wire, strangers, and processes to kill; every wait is bounded."""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import zmq

from dexctl.profile.schema import Wire
from dexctl.wire.arrivals import Segment
from dexctl.wire.layout import ArrayLayout, Layout
from dexctl.wire.messages import Hello, SegmentHeader, decode_from_optimizer, encode
from dexctl.wire.optimizer import OptimizerEndpoint
from dexctl.wire.worker import WorkerEndpoint

PATIENCE_S = 20.0
PROGRAMS = Path(__file__).parent / "programs"
REPOSITORY = Path(__file__).parents[2]


def make_wire(**changes):
    keys = {"credits": 4, "buffer_mib": 64, "heartbeat_s": 0.1, "timeout_s": 0.8, "orphan_timeout_s": 4.0}
    return Wire(**{**keys, **changes})


LAYOUT = Layout(
    steps=3,
    environments=5,
    arrays=(
        ArrayLayout("observation", "float32", ("T", "N", 7)),
        ArrayLayout("action", "uint8", ("T", "N", 20)),
        ArrayLayout("episode", "int32", ("N",)),
        ArrayLayout("done", "bool", ("T", "N")),
        ArrayLayout("tag", "int32", ()),
    ),
)


def segment_arrays(tag=0, layout=LAYOUT):
    arrays = {array.name: np.zeros(layout.shape(array), array.dtype) for array in layout.arrays}
    if "tag" in arrays:
        arrays["tag"][()] = tag
    return arrays


def wait_until(look, what="it"):
    """First true result of ``look``, which waits a little itself."""
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        found = look()
        if found:
            return found
    raise AssertionError(f"waited {PATIENCE_S:.0f} s for {what}")


class Inbox:
    """An optimizer's arrivals by kind, kept until they are asked for."""

    def __init__(self, optimizer, acknowledge=True):
        self.optimizer = optimizer
        self.acknowledge = acknowledge
        self.all = []

    def pump(self, timeout_s=0.05):
        for arrival in self.optimizer.receive(timeout_s):
            self.all.append(arrival)
            if isinstance(arrival, Segment) and self.acknowledge:
                self.optimizer.acknowledge(arrival)

    def of(self, kind):
        return [arrival for arrival in self.all if isinstance(arrival, kind)]

    def wait(self, kind, count=1):
        def look():
            found = self.of(kind)
            if len(found) >= count:
                return found
            self.pump()
            return None

        return wait_until(
            look, f"{count} {kind.__name__}; there are {[a for a in self.all if not isinstance(a, Segment)]}"
        )

    def tags(self):
        return [int(segment.arrays["tag"]) for segment in self.of(Segment)]


class Stranger:
    """A peer that says what it likes, over a bare socket of ZeroMQ."""

    def __init__(self, endpoint):
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(endpoint)

    def say(self, *frames):
        self.socket.send_multipart(list(frames))

    def hello(self, worker="stranger", **changes):
        keys = {"incarnation": 1, "token": b"", "digest": "", "layout": "", "host": "h", "pid": 1, "memory": ""}
        self.say(encode(Hello(**{"worker": worker, "sequence": 0, **keys, **changes})))

    def segment(self, arrays=None, frames=None, worker="stranger", sequence=1, **changes):
        keys = {"version": 0, "environments": LAYOUT.environments, "steps": LAYOUT.steps, "report": {}}
        header = SegmentHeader(worker=worker, sequence=sequence, **{**keys, **changes})
        self.say(encode(header), *(LAYOUT.frames(arrays or segment_arrays()) if frames is None else frames))

    def hear(self, kind):
        def look():
            if self.socket.poll(100):
                frames = self.socket.recv_multipart()
                message = decode_from_optimizer(memoryview(frames[0]))
                return message if isinstance(message, kind) else None
            return None

        return wait_until(look, kind.__name__)

    def close(self):
        self.context.destroy(linger=0)


class Child:
    """A program of ``programs/`` that prints JSON lines."""

    def __init__(self, program, options):
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        namespace = options.pop("namespace", None)
        prefix = ["ip", "netns", "exec", namespace] if namespace else []
        command = [*prefix, sys.executable, str(PROGRAMS / f"{program}.py"), json.dumps(options)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        self.lines = queue.Queue()
        self.seen = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def wait(self, event):
        """The next line of a kind."""

        def look():
            try:
                line = self.lines.get(timeout=0.1)
            except queue.Empty:
                assert self.process.poll() is None or self.reader.is_alive() or not self.lines.empty(), (
                    f"ended with {self.process.returncode} before {event}"
                )
                return None
            self.seen.append(line)
            return line if line["event"] == event else None

        return wait_until(look, event)

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        """Exit code of a program that ends by itself, with all its lines in ``seen``."""
        code = self.process.wait(timeout=PATIENCE_S)
        self.reader.join(timeout=PATIENCE_S)
        while not self.lines.empty():
            self.seen.append(self.lines.get())
        return code

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait(timeout=PATIENCE_S)
        self.reader.join(timeout=PATIENCE_S)
        self.process.stdout.close()


class Proxy:
    """A TCP link that can be cut, or made to swallow everything without a word."""

    def __init__(self, endpoint, bytes_per_s=None, keep=False):
        self.bytes_per_s = bytes_per_s
        self.kept = [] if keep else None
        self.target = ("127.0.0.1", int(endpoint.rsplit(":", 1)[1]))
        self.server = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self.server.getsockname()[1]}"
        self.pairs = []
        self.carried = 0
        self.open = threading.Event()
        self.open.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.server.accept()
                far = socket.create_connection(self.target)
            except OSError:
                return
            self.pairs.append((near, far))
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    def _carry(self, source, target):
        try:
            while data := source.recv(1 << 16):
                self.open.wait()
                if self.bytes_per_s:
                    threading.Event().wait(len(data) / self.bytes_per_s)
                target.sendall(data)
                self.carried += len(data)
                if self.kept is not None:
                    self.kept.append(data)
        except OSError:
            pass
        for end in (source, target):
            end.close()

    def cut(self):
        for pair in self.pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue
        self.pairs.clear()

    def close(self):
        self.open.set()
        self.server.close()
        self.cut()


@pytest.fixture
def closing():
    """Registers what the test must close, last first."""
    things = []

    def register(thing):
        things.append(thing)
        return thing

    yield register
    for thing in reversed(things):
        thing.close()


@pytest.fixture
def make_optimizer(closing):
    def make(bind="tcp://127.0.0.1:0", layout=LAYOUT, wire=None, digest="d1", **options):
        options = {"seed": 7, **options}
        return closing(OptimizerEndpoint(bind, b'{"a":1}', digest, layout, wire or make_wire(), **options))

    return make


@pytest.fixture
def make_worker(closing, tmp_path):
    def make(*endpoints, wire=None, digest="", join=True, **options):
        options = {"shared_folder": tmp_path / "shared", "timeout_s": PATIENCE_S, **options}
        worker = closing(WorkerEndpoint(endpoints, digest, wire or make_wire(), **options))
        if join:
            worker.join()
        return worker

    return make


@pytest.fixture
def make_stranger(closing):
    return lambda endpoint: closing(Stranger(endpoint))


@pytest.fixture
def spawn(closing, tmp_path):
    """Starts a program with options."""

    def start(program, **options):
        return closing(Child(program, {"shared_folder": str(tmp_path / "shared"), **options}))

    return start


@pytest.fixture
def wire_with():
    return make_wire


@pytest.fixture
def until():
    return wait_until


@pytest.fixture
def inbox_of():
    return Inbox


@pytest.fixture
def proxy_to():
    return Proxy


@pytest.fixture
def layout():
    return LAYOUT


@pytest.fixture
def arrays():
    return segment_arrays


@pytest.fixture
def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]

"""The installed command, run as a person or a script runs it: in a shell, on a terminal, or for a while."""

import json
import os
import pty
import queue
import shutil
import signal
import subprocess
import sysconfig
import threading
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from dexctl.profile.load import load
from dexctl.scene.build import build_scene
from dexctl.store.states import StatesMetadata, StatesWriter

from .events_page import faults

SCRIPTS = sysconfig.get_path("scripts")
# What passes takes seconds; this is for a machine with much else to do.
TIMEOUT_S = 300.0
# A profile that learns once a second.
TOY = Path(__file__).with_name("toy.toml")
COLOR_VARIABLES = ("NO_COLOR", "FORCE_COLOR", "TERM")


def everything(folder):
    """All that is in a folder, and when it was last changed."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.fixture(scope="session")
def environment():
    """This process's environment with the command on PATH, and nothing that steers it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in COLOR_VARIABLES and not name.startswith("DEXCTL_")
    }
    return {**kept, "PATH": f"{SCRIPTS}:{kept['PATH']}", "TERM": "xterm"}


@pytest.fixture
def shell(environment, tmp_path):
    """Runs one line of sh in an empty folder; variables are added to the environment."""

    def run(line, **variables):
        return subprocess.run(
            ["sh", "-c", line],
            env={**environment, **variables},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    return run


@pytest.fixture
def toy(tmp_path):
    """A line that trains at once, in the empty folder."""
    shutil.copy(TOY, tmp_path)
    return "optimize -p toy.toml"


@pytest.fixture
def states(tmp_path):
    """Twelve states of a resting hand, and a block above it that turns."""
    loaded = load("block", [], {})
    scene = build_scene(loaded.profile)
    at, count = scene.object_qpos, 12
    qpos = np.repeat(scene.model.qpos0[None], count, axis=0)
    half = np.linspace(0, 3, count)
    qpos[:, at : at + 3] = loaded.profile.object.spawn_m
    qpos[:, at + 3 : at + 7] = np.stack((np.cos(half), np.sin(half), 0 * half, 0 * half), axis=1)
    qpos = qpos.astype(np.float32)
    metadata = StatesMetadata(
        profile=msgspec.to_builtins(loaded.profile),
        profile_digest=loaded.digest,
        policy="zero",
        seed=0,
        positions=qpos.shape[1],
    )
    with StatesWriter(tmp_path / "states.zarr", metadata) as writer:
        writer.append(
            {
                "qpos": qpos,
                "object_position_m": qpos[:, at : at + 3],
                "object_quaternion_wxyz": qpos[:, at + 3 : at + 7],
                "episode": np.zeros(count, np.int64),
            }
        )
    return tmp_path / "states.zarr"


@pytest.fixture
def terminal(environment, tmp_path):
    """Runs one line of sh whose stdin, stdout and stderr are one terminal; gives exit code and screen."""

    def run(line, **variables):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            ["sh", "-c", line],
            env={**environment, **variables},
            cwd=tmp_path,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        screen = b""
        with open(ours, "rb", buffering=0) as master:
            while True:
                try:
                    block = master.read(4096)
                except OSError:
                    # Linux says EIO when the last process has left the terminal.
                    break
                if not block:
                    break
                screen += block
        return process.wait(TIMEOUT_S), screen.decode()

    return run


@pytest.fixture
def plugin(environment, tmp_path):
    """Puts a program ``dexctl-NAME`` on PATH."""

    def make(name, script):
        path = Path(tmp_path / "plugins" / f"dexctl-{name}")
        path.parent.mkdir(exist_ok=True)
        path.write_text(script)
        path.chmod(0o755)
        return {"PATH": f"{path.parent}:{environment['PATH']}"}

    return make


class Program:
    """A command that runs for a while, whose events and messages can be waited for."""

    def __init__(self, line, environment, folder):
        self.process = subprocess.Popen(
            ["sh", "-c", f"exec {line}"],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.events, self.messages, self.faults = [], [], []
        self._lines = queue.Queue()
        readers = ((self.process.stdout, self._event), (self.process.stderr, self.messages.append))
        self._threads = [threading.Thread(target=self._read, args=reader, daemon=True) for reader in readers]
        for thread in self._threads:
            thread.start()

    def _event(self, line):
        # Python's own reader takes NaN and infinities, others' do not.
        event = json.loads(line, parse_constant=lambda name: self.faults.append(f"{name} is no JSON: {line}"))
        self.events.append(event)
        if "event" in event:
            self.faults += faults(event, self.events[0]["command"])

    def _read(self, stream, take):
        for line in stream:
            take(line)
            self._lines.put(line)
        self._lines.put(None)

    def of(self, kind):
        return [event for event in list(self.events) if event["event"] == kind]

    def wait(self, kind, count=1, that=lambda event: True):
        """The first so many events of a kind."""
        deadline_s = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline_s:
            found = [event for event in self.of(kind) if that(event)]
            if len(found) >= count:
                return found[:count]
            try:
                self._lines.get(timeout=1.0)
            except queue.Empty:
                assert self.process.poll() is None, f"ended before {count} {kind}: {''.join(self.messages)}"
        raise AssertionError(f"no {count} {kind} in {TIMEOUT_S:.0f} s, but {self.events[-3:]}")

    def ask(self, number):
        """Sends a signal."""
        self.process.send_signal(number)

    def end(self):
        """Exit code of a command that ends by itself."""
        code = self.process.wait(TIMEOUT_S)
        for thread in self._threads:
            thread.join(TIMEOUT_S)
        assert self.faults == [], "events that man/dexctl-events.5 does not know"
        return code

    def stop(self):
        """Leaves nothing behind."""
        if self.process.poll() is None:
            self.ask(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.end()
        for stream in (self.process.stdout, self.process.stderr):
            stream.close()


@pytest.fixture(scope="module")
def programs(environment):
    """Starts ``dexctl LINE`` in a folder; whatever still runs when the module is through is stopped."""
    started = []

    def start(folder, line, **variables):
        started.append(Program(f"dexctl {line}", {**environment, **variables}, folder))
        return started[-1]

    yield start
    for program in reversed(started):
        program.stop()


@pytest.fixture
def start(environment, tmp_path):
    """Starts ``dexctl LINE`` in an empty folder; whatever still runs when the test is through is stopped."""
    started = []

    def start(line, **variables):
        started.append(Program(f"dexctl {line}", {**environment, **variables}, tmp_path))
        return started[-1]

    yield start
    for program in reversed(started):
        program.stop()

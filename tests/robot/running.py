"""Commands as processes of their own, and their events as they come."""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

from ..contract.events_page import faults

PATIENCE_S = 300.0
REPOSITORY = Path(__file__).parents[2]


class Command:
    """A running dexctl.

    Attributes:
        events: that were not asked for yet; said: lines of stderr.
    """

    def __init__(self, arguments, folder, **variables):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DEXCTL_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dexctl", *arguments],
            cwd=folder,
            env={**environment, "PYTHONPATH": str(REPOSITORY), **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.events, self.said, self.faults, self.command = queue.SimpleQueue(), [], [], None
        self.readers = [
            threading.Thread(target=self._read_events, daemon=True),
            threading.Thread(target=self._read_words, daemon=True),
        ]
        for reader in self.readers:
            reader.start()

    def _read_events(self):
        for line in self.process.stdout:
            event = json.loads(line)
            self.command = self.command or event.get("command")
            if "event" in event:
                self.faults += faults(event, self.command)
            self.events.put(event)
        self.events.put(None)

    def _read_words(self):
        self.said.extend(self.process.stderr)

    def until(self, kind):
        """The next event of a kind."""
        deadline_s = time.monotonic() + PATIENCE_S
        while (left_s := deadline_s - time.monotonic()) > 0:
            try:
                event = self.events.get(timeout=left_s)
            except queue.Empty:
                break
            assert event is not None, f"ended before {kind}: {''.join(self.said)}"
            if event["event"] == kind:
                return event
        raise AssertionError(f"no {kind} in {PATIENCE_S:.0f} s: {''.join(self.said)}")

    def rest(self):
        """Every event that came and was not asked for."""
        found = []
        while not self.events.empty():
            found.append(self.events.get())
        return found

    def end(self):
        """Exit code and what was said on stderr."""
        self.process.wait(timeout=PATIENCE_S)
        for reader in self.readers:
            reader.join(timeout=PATIENCE_S)
        assert self.faults == [], "events that man/dexctl-events.5 does not know"
        return self.process.returncode, "".join(self.said)

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=PATIENCE_S)
        for reader in self.readers:
            reader.join(timeout=PATIENCE_S)
        for stream in (self.process.stdout, self.process.stderr):
            stream.close()
        assert self.faults == [], "events that man/dexctl-events.5 does not know"


def serve_robot(folder, *arguments, rate="max", profile="robot/same", **variables):
    """A served robot that is ready; ``endpoint`` is its own."""
    robot = Command(
        ("simulate", "--serve", "tcp://127.0.0.1:0", "--profile", profile, "--rate", rate, *arguments),
        folder,
        **variables,
    )
    try:
        robot.endpoint = robot.until("listening")["endpoint"]
        robot.until("ready")
    except BaseException:
        robot.kill()
        raise
    return robot

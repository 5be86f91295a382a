"""Real processes: a served robot, controllers, and what goes wrong between them."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dexctl.robot.remote import RemoteRobot
from dexctl.store.recordings import Recording

from .conftest import ANSWER_S

PATIENCE_S = 60.0
REPOSITORY = Path(__file__).parents[2]


class Command:
    """A running dexctl, and its events as they come."""

    def __init__(self, arguments, folder):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DEXCTL_")}
        environment["PYTHONPATH"] = str(REPOSITORY)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dexctl", *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.events, self.said = queue.SimpleQueue(), []
        self.readers = [
            threading.Thread(target=self._read_events, daemon=True),
            threading.Thread(target=self._read_words, daemon=True),
        ]
        for reader in self.readers:
            reader.start()

    def _read_events(self):
        for line in self.process.stdout:
            self.events.put(json.loads(line))
        self.events.put(None)

    def _read_words(self):
        self.said.extend(self.process.stderr)

    def until(self, kind):
        """The next event of a kind."""
        deadline_s = time.monotonic() + PATIENCE_S
        while (left_s := deadline_s - time.monotonic()) > 0:
            event = self.events.get(timeout=left_s)
            assert event is not None, f"ended before {kind}: {''.join(self.said)}"
            if event["event"] == kind:
                return event
        raise AssertionError(f"no {kind} in {PATIENCE_S:.0f} s")

    def end(self):
        """Exit code and what was said on stderr."""
        self.process.wait(timeout=PATIENCE_S)
        for reader in self.readers:
            reader.join(timeout=PATIENCE_S)
        return self.process.returncode, "".join(self.said)

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=PATIENCE_S)
        for stream in (self.process.stdout, self.process.stderr):
            stream.close()


@pytest.fixture
def start(tmp_path):
    running = []

    def run(*arguments):
        running.append(Command(arguments, tmp_path))
        return running[-1]

    yield run
    for command in running:
        command.kill()


@pytest.fixture
def serve_robot(start):
    def run(*arguments, rate="max"):
        robot = start("simulate", "--serve", "tcp://127.0.0.1:0", "--profile", "robot/same", "--rate", rate, *arguments)
        robot.endpoint = robot.until("listening")["endpoint"]
        robot.until("ready")
        return robot

    return run


def deploy(start, robot, *more):
    return start(
        *("deploy", "--robot", robot.endpoint, "--policy", "zero", "--arm", "--output", "r.zarr"),
        *("--set", "evaluate.goal_timeout_s=1.6", *more),
    )


def running_deploy(start, robot):
    """One that has taken control and moves."""
    command = deploy(start, robot, "--trials", "1000", "--set", "evaluate.goal_timeout_s=80")
    assert robot.until("controller_joined")
    assert robot.until("armed")
    return command


def test_trials_are_played_recorded_and_scored(start, serve_robot, tmp_path):
    robot = serve_robot()
    command = deploy(start, robot, "--trials", "2")
    trials = [command.until("trial") for _ in range(2)]
    code, said = command.end()
    assert (code, [one["end"] for one in trials]) == (0, ["timeout", "timeout"]), said
    recording = Recording(tmp_path / "r.zarr")
    assert len(recording) == 40
    assert recording.metadata.policy == "zero"
    rows = recording.read(0, 40)
    assert rows["end"].tolist() == [0] * 19 + [2] + [0] * 19 + [2]
    scored = start("evaluate", "--recording", "r.zarr", "--json")
    scored.process.wait(timeout=PATIENCE_S)
    assert scored.events.get(timeout=PATIENCE_S)["recordings"][0]["trials"] == [0, 0]


def test_a_robot_that_is_killed_ends_the_trial_as_a_safety_stop_with_a_whole_recording(start, serve_robot, tmp_path):
    robot = serve_robot(rate="real")
    command = running_deploy(start, robot)
    robot.process.kill()
    code, said = command.end()
    assert code == 10, said
    assert "closed the connection" in said or "no answer" in said
    recording = Recording(tmp_path / "r.zarr")
    assert recording.read(0, len(recording)).keys()


def test_a_controller_that_is_killed_leaves_a_robot_that_lets_go_and_serves_the_next(start, serve_robot):
    robot = serve_robot(rate="real")
    command = running_deploy(start, robot)
    command.process.kill()
    left = robot.until("controller_left")
    assert left["reason"] == "its connection closed"
    with RemoteRobot(robot.endpoint, ANSWER_S) as next_one:
        next_one.connect()
        deadline_s = time.monotonic() + PATIENCE_S
        while (reading := next_one.observe()).mode != "relaxed":
            assert reading.mode in ("moving", "holding")
            assert time.monotonic() < deadline_s
            next_one.wait_until(reading.time_s + 0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_robot_first_and_leaves_the_recording_whole(start, serve_robot, tmp_path, number):
    robot = serve_robot(rate="real")
    command = running_deploy(start, robot)
    command.process.send_signal(number)
    stopped = robot.until("stopped")
    code, said = command.end()
    assert code == 128 + number, said
    assert stopped["reason"]
    assert robot.until("controller_left")["reason"] == "it left"
    recording = Recording(tmp_path / "r.zarr")
    assert recording.read(0, len(recording)).keys()


def test_two_at_one_robot_and_the_second_is_refused(start, serve_robot, tmp_path):
    robot = serve_robot(rate="real")
    running_deploy(start, robot)
    second = deploy(start, robot, "--output", "second.zarr")
    code, said = second.end()
    assert code == 75
    assert "has control" in said


def test_a_plan_moves_nothing_and_tells_how_each_observation_is_had(start, serve_robot, tmp_path):
    robot = serve_robot()
    command = start("deploy", "--robot", robot.endpoint, "--policy", "block-yaw", "-n", "--json")
    plan = command.events.get(timeout=PATIENCE_S)
    assert command.end()[0] == 0
    assert plan["observations"]["object_velocity"].startswith("differences")
    assert plan["armed"] is False
    assert list(tmp_path.glob("*.zarr")) == []
    assert robot.events.empty()


def test_without_arm_everything_runs_but_motion(start, serve_robot, tmp_path):
    robot = serve_robot()
    command = start("deploy", "--robot", robot.endpoint, "--policy", "random", "--output", "r.zarr")
    assert command.until("ready")["armed"] is False
    code, said = command.end()
    assert code == 0
    assert "not armed" in said
    rows = Recording(tmp_path / "r.zarr").read(0, 1)
    assert (rows["change_asked_rad"] != 0).any()
    assert (rows["change_sent_rad"] == 0).all()


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("--robot", "tcp://127.0.0.1:9", "--policy", "zero", "--timeout", "0.3"), 69, "no answer"),
        (("--robot", "serial:9", "--policy", "zero"), 64, "no robot is reached so"),
        (("--robot", "tcp://127.0.0.1:9", "--policy", "nowhere"), 66, "no such run"),
        (("--robot", "tcp://127.0.0.1:9", "--policy", "zero", "--goals", "bad.json"), 65, "no list of goals"),
        (("--robot", "tcp://127.0.0.1:9", "--policy", "zero", "--goals", "none.json"), 66, "none.json"),
        (("--robot", "tcp://127.0.0.1:9", "--policy", "zero", "--profile", "block"), 78, r"no table [robot]"),
        (("--robot", "tcp://127.0.0.1:9", "--policy", "zero", "--key", "x"), 64, "--server-key"),
    ],
)
def test_what_is_wrong_is_told_before_anything_moves(start, tmp_path, arguments, code, word):
    (tmp_path / "bad.json").write_text("[[1, 2")
    command = start("deploy", *arguments)
    ended, said = command.end()
    assert ended == code, said
    assert word in said
    assert "Traceback" not in said


def test_a_robot_off_loopback_needs_keys(start):
    code, said = start("simulate", "--serve", "tcp://0.0.0.0:0", "--profile", "robot/same").end()
    assert (code, "--insecure" in said) == (77, True)


@pytest.fixture
def small_disk(tmp_path):
    """A file system that is soon full."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs the right to it")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_ends_the_session_after_the_trial_and_leaves_what_was_recorded(start, serve_robot, small_disk):
    robot = serve_robot()
    command = deploy(
        start, robot, "--output", str(small_disk / "r.zarr"), "--trials", "2", "--set", "evaluate.goal_timeout_s=24"
    )
    trial = command.until("trial")
    code, said = command.end()
    assert (code, trial["end"] in ("drop", "timeout")) == (74, True), said
    recording = Recording(small_disk / "r.zarr")
    assert 0 < len(recording) < 300
    assert recording.read(0, len(recording)).keys()

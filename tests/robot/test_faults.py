"""What goes wrong between a robot and its controller, each a process of its own.

What is marked slow has a smaller one that is not: frames, keys and controllers in test_wire, links in test_link, a
policy's NaN in test_control, goal files in test_goal_file, a disk that fills in
tests/store/test_rows.
"""

import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import zmq

from dexctl.console.key_pair import make_key_pair
from dexctl.policy import checkpoint
from dexctl.policy.naming import locate
from dexctl.profile.load import load
from dexctl.robot.remote import RemoteRobot
from dexctl.store.recordings import Recording
from dexctl.vision.learner import PoseLearner

from .conftest import ANSWER_S
from .running import PATIENCE_S, Command, serve_robot
from .streams import Stream, painted
from .test_link import Link

LIBRARY = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
TOY = (
    *("vision.image_px=16", "vision.network.filters=[4]", "vision.network.kernels_px=[3]"),
    *("vision.network.strides=[1]", "vision.network.group_filters=[12]", "vision.network.group_blocks=[1]"),
    *("vision.network.dense=16", "vision.network.group_strides=[1]"),
)


@pytest.fixture(scope="module")
def robot(tmp_path_factory):
    """One robot with a virtual clock."""
    found = serve_robot(tmp_path_factory.mktemp("robot"))
    yield found
    found.kill()


@pytest.fixture(scope="module")
def living(tmp_path_factory):
    """One robot in real time."""
    found = serve_robot(tmp_path_factory.mktemp("living"), rate="real")
    yield found
    found.kill()


@pytest.fixture
def deploy(tmp_path):
    running = []

    def run(robot, *arguments, endpoint="", **variables):
        robot.rest()
        command = ("deploy", "--robot", endpoint or robot.endpoint, "--arm", "--output", "r.zarr", *arguments)
        running.append(Command(command, tmp_path, **variables))
        return running[-1]

    yield run
    for command in running:
        command.kill()


def begun(deploy, robot, *arguments, **options):
    """One that has taken control and moves, and does so until it is stopped."""
    endless = ("--policy", "zero", "--trials", "1000", "--set", "evaluate.goal_timeout_s=80")
    command = deploy(robot, *endless, *arguments, **options)
    robot.until("controller_joined")
    robot.until("armed")
    return command


def is_whole(folder):
    recording = Recording(folder / "r.zarr")
    return bool(recording.read(0, len(recording)).keys())


def test_a_robot_that_is_killed_ends_the_trial_as_a_safety_stop_with_a_whole_recording(deploy, tmp_path):
    robot = serve_robot(tmp_path, rate="real")
    command = begun(deploy, robot)
    robot.kill()
    code, said = command.end()
    assert code == 10, said
    assert "closed the connection" in said or "no answer" in said
    assert is_whole(tmp_path)


def test_a_controller_that_is_killed_leaves_a_robot_that_lets_go_and_serves_the_next(deploy, living):
    begun(deploy, living).process.kill()
    assert living.until("controller_left")["reason"] == "its connection closed"
    with RemoteRobot(living.endpoint, ANSWER_S) as next_one:
        next_one.connect()
        deadline_s = time.monotonic() + PATIENCE_S
        while (reading := next_one.observe()).mode != "relaxed":
            assert reading.mode in ("moving", "holding")
            assert time.monotonic() < deadline_s
            next_one.wait_until(reading.time_s + 0.05)


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_stops_the_robot_first_and_leaves_the_recording_whole(deploy, living, tmp_path, number):
    command = begun(deploy, living)
    command.process.send_signal(number)
    assert living.until("stopped")["reason"]
    code, said = command.end()
    assert code == 128 + number, said
    assert living.until("controller_left")["reason"] == "it left"
    assert is_whole(tmp_path)


@pytest.mark.slow
def test_two_at_one_robot_and_the_second_is_refused(deploy, robot):
    first = begun(deploy, robot)
    second = deploy(robot, "--policy", "zero", "--output", "second.zarr")
    code, said = second.end()
    assert code == 75, said
    assert "has control" in said
    assert first.process.poll() is None
    first.process.send_signal(signal.SIGTERM)
    assert first.end()[0] == 128 + signal.SIGTERM


@pytest.mark.slow
def test_a_controller_with_a_wrong_key_is_refused_and_one_with_a_right_key_is_not(deploy, tmp_path):
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    for pair in (tmp_path / "robot", allowed / "me", tmp_path / "other"):
        make_key_pair(pair)
    robot = serve_robot(tmp_path, "--key", str(tmp_path / "robot.key_secret"), "--allow", str(allowed))
    short = ("--policy", "zero", "--trials", "1", "--set", "evaluate.goal_timeout_s=0.8")
    try:
        for secret, server, expected in (
            ("other", "robot", 77),
            ("allowed/me", "other", 77),
            ("allowed/me", "robot", 0),
        ):
            keys = ("--key", f"{secret}.key_secret", "--server-key", f"{server}.key")
            code, said = deploy(robot, *short, *keys).end()
            assert code == expected, said
            assert (tmp_path / "r.zarr").exists() == (expected == 0)
    finally:
        robot.kill()


class Muddle:
    """Hands a controller's messages on, each followed by the two before it once more, the older one last."""

    def __init__(self, endpoint):
        self._context = zmq.Context()
        self._front, self._back = self._context.socket(zmq.ROUTER), self._context.socket(zmq.DEALER)
        self._front.linger = self._back.linger = 0
        self._back.connect(endpoint)
        self.endpoint = f"tcp://127.0.0.1:{self._front.bind_to_random_port('tcp://127.0.0.1')}"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        poller, before, route = zmq.Poller(), [], b""
        for end in (self._front, self._back):
            poller.register(end, zmq.POLLIN)
        while not self._over.is_set():
            ready = dict(poller.poll(50))
            if self._front in ready:
                route, *message = self._front.recv_multipart()
                for one in (message, *reversed(before)):
                    self._back.send_multipart(one)
                before = [*before, message][-2:]
            if self._back in ready:
                self._front.send_multipart([route, *self._back.recv_multipart()])

    def close(self):
        self._over.set()
        self._thread.join(timeout=PATIENCE_S)
        self._context.destroy()


@pytest.mark.slow
def test_messages_that_come_again_and_out_of_order_change_nothing(deploy, robot, tmp_path):
    muddle = Muddle(robot.endpoint)
    trial = ("--policy", "random", "--trials", "1", "--set", "evaluate.goal_timeout_s=1.6")
    try:
        for name, endpoint in (("plain", robot.endpoint), ("muddled", muddle.endpoint)):
            code, said = deploy(robot, *trial, "--output", f"{name}.zarr", endpoint=endpoint).end()
            assert code == 0, said
            left = robot.until("controller_left")
            assert (left["repeated"] > 50) == (name == "muddled")
    finally:
        muddle.close()
    plain, muddled = (Recording(tmp_path / f"{name}.zarr") for name in ("plain", "muddled"))
    assert len(plain) == len(muddled) == 20
    for column in ("joint_angles_rad", "object_position_m", "change_sent_rad", "goal_wxyz"):
        assert np.array_equal(plain.read(0, 20)[column], muddled.read(0, 20)[column]), column


@pytest.mark.slow
def test_a_policy_that_gives_nan_moves_nothing_and_stops_the_robot(deploy, robot, tmp_path):
    saved = checkpoint.read(locate("block-yaw"))
    saved.tensors["actor.head.bias"][3] = float("nan")
    checkpoint.write(
        tmp_path / "nan.safetensors",
        profile=saved.profile,
        digest="0" * 16,
        progress=saved.header.progress,
        tensors=saved.tensors,
        program="test",
    )
    command = deploy(robot, "--policy", "nan.safetensors")
    code, said = command.end()
    assert code == 10, said
    assert "not finite" in said
    assert "not finite" in robot.until("stopped")["reason"]
    assert len(Recording(tmp_path / "r.zarr")) == 0


@pytest.fixture(scope="module")
def estimator(tmp_path_factory):
    """One that has learned nothing and is quick about it."""
    path = tmp_path_factory.mktemp("estimator") / "toy.safetensors"
    loaded = load("vision-small", TOY, {})
    learner = PoseLearner(loaded.profile, 0)
    learner.standardize(np.random.default_rng(0).normal((1.0, 0.87, 0.17), 0.02, (64, 3)).astype(np.float32))
    progress = checkpoint.Progress(version=1, steps=1, seconds=1.0, learning_rate=1e-3)
    checkpoint.write(
        path, profile=loaded.profile, digest=loaded.digest, progress=progress, tensors=learner.state(), program="test"
    )
    return path


@pytest.mark.slow
def test_a_camera_that_goes_away_stops_the_robot_and_leaves_the_recording_whole(deploy, robot, estimator, tmp_path):
    stream = Stream(painted(200, 30, 90))
    cameras = load("vision-small", [], {}).profile.cameras
    tables = [f'[robot.cameras.{name}]\ndriver = "video"\nsource = "{stream.address}"\n' for name in cameras]
    (tmp_path / "seen.toml").write_text('inherits = "robot/same"\n[robot]\nimage_px = 16\n' + "".join(tables))
    try:
        command = begun(deploy, robot, "-p", "seen.toml", "--vision", str(estimator), "--images")
        stream.over.set()
        code, said = command.end()
    finally:
        stream.close()
    assert code == 10, said
    assert "camera" in said
    assert "ended" in said
    assert "camera" in robot.until("stopped")["reason"]
    recording = Recording(tmp_path / "r.zarr")
    seen = recording.read(0, len(recording))["images"]
    assert seen.shape[1:] == (3, 16, 16, 3)


@pytest.mark.slow
def test_the_object_is_seen_through_the_served_robot_s_own_cameras(deploy, estimator, tmp_path):
    robot = serve_robot(tmp_path, "--cameras", "classic", "--set", "robot.image_px=16", profile="robot/twin")
    try:
        short = ("--set", "evaluate.goal_timeout_s=1.6", "--trials", "1")
        command = deploy(robot, "--policy", "zero", "--vision", str(estimator), "--images", *short)
        code, said = command.end()
    finally:
        robot.kill()
    assert code == 0, said
    rows = Recording(tmp_path / "r.zarr").read(0, 20)
    assert (rows["images"].std(axis=(2, 3, 4)) > 1).all()
    assert np.abs(rows["seen_position_m"] - rows["object_position_m"]).max() > 1e-4


@pytest.fixture
def small_disk(tmp_path):
    """A file system that is soon full."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs the right to it")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_ends_the_session_after_the_trial_and_leaves_what_was_recorded(deploy, robot, small_disk):
    long = ("--trials", "2", "--set", "evaluate.goal_timeout_s=16")
    command = deploy(robot, "--policy", "zero", "--output", str(small_disk / "r.zarr"), *long)
    trial = command.until("trial")
    code, said = command.end()
    assert (code, trial["end"] in ("drop", "timeout")) == (74, True), said
    recording = Recording(small_disk / "r.zarr")
    assert 0 < len(recording) < 200
    assert is_whole(small_disk)


@pytest.mark.slow
@pytest.mark.skipif(LIBRARY is None, reason="Debian's faketime is not here")
@pytest.mark.parametrize(
    ("side", "leaps"),
    [
        ("controller", ["+1h"]),
        pytest.param("controller", ["-1h", "+1h"], marks=pytest.mark.slow),
        pytest.param("robot", ["+1h", "-1h"], marks=pytest.mark.slow),
    ],
)
def test_a_clock_that_leaps_by_an_hour_stops_nothing(deploy, robot, tmp_path, side, leaps):
    clock = tmp_path / "clock"
    clock.write_text("+0")
    fake = {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        # The monotonic clock of a kernel does not leap.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    served = serve_robot(tmp_path, **fake) if side == "robot" else robot
    try:
        short = ("--policy", "zero", "--trials", "10000", "--set", "evaluate.goal_timeout_s=0.4")
        command = deploy(served, *short, **(fake if side == "controller" else {}))
        leaper, kind = (served, "armed") if side == "robot" else (command, "trial")
        for leap in leaps:
            before = leaper.until(kind)["t"][11:13]
            following = tmp_path / "following"
            following.write_text(leap)
            shutil.move(following, clock)
            while leaper.until(kind)["t"][11:13] == before:
                assert command.process.poll() is None
        command.process.send_signal(signal.SIGTERM)
        code, said = command.end()
    finally:
        if served is not robot:
            served.kill()
    assert code == 128 + signal.SIGTERM, said
    recording = Recording(tmp_path / "r.zarr")
    rows = recording.read(0, len(recording))
    assert (np.diff(rows["time_s"]) > 0).all()
    assert rows["time_s"][-1] < 3_000
    assert is_whole(tmp_path)


@pytest.fixture
def link(living):
    found = Link(living.endpoint)
    yield found
    found.close()


@pytest.mark.slow
def test_a_link_that_is_cut_is_a_safety_stop_on_one_side_and_rest_on_the_other(deploy, living, link, tmp_path):
    command = begun(deploy, living, endpoint=link.endpoint)
    link.alive.clear()
    code, said = command.end()
    assert code == 10, said
    assert "no answer" in said
    assert is_whole(tmp_path)
    assert living.until("controller_left")["reason"].startswith("silent")
    # Back again, it carries the next one.
    link.alive.set()
    begun(deploy, living, "--output", "next.zarr", endpoint=link.endpoint)


@pytest.mark.slow
def test_packets_late_by_500_ms_are_a_safety_stop_on_both_sides(deploy, living, link, tmp_path):
    command = begun(deploy, living, endpoint=link.endpoint)
    link.delay_s = 0.5
    code, said = command.end()
    assert code == 10, said
    assert any(why in said for why in ("no answer", "stopped by itself", "takes no command"))
    assert is_whole(tmp_path)
    assert living.until("controller_left")
    with RemoteRobot(living.endpoint, ANSWER_S) as next_one:
        next_one.connect()
        assert next_one.observe().mode in ("holding", "relaxed")

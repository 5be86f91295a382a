import contextlib
import socket
import time

import msgspec
import numpy as np
import pytest
import zmq

from dexctl.console.key_pair import make_key_pair
from dexctl.errors import DexctlError, RefusedError, SafetyStop, TemporaryError, UnavailableError
from dexctl.robot.protocol import State
from dexctl.robot.remote import RemoteRobot
from dexctl.wire import robot_messages as say
from dexctl.wire.keys import server_keys, worker_keys
from dexctl.wire.messages import decode, encode

from .conftest import ANSWER_S, nothing, serve


@pytest.fixture
def stranger(served):
    """A socket that says what it likes."""
    context = zmq.Context()
    dealer = context.socket(zmq.DEALER)
    dealer.linger = 0
    dealer.rcvtimeo = int(ANSWER_S * 1000)
    dealer.connect(served.endpoint)

    def ask(*frames):
        dealer.send_multipart(frames)
        back = dealer.recv_multipart()
        return decode(memoryview(back[0]), say.FROM_ROBOT, say.ROBOT_CONTROL_BYTES)

    ask.dealer = dealer
    yield ask
    context.destroy()


def take(ask, number=1):
    return ask(encode(say.Take(number=number, host="h", pid=1)))


def test_features_are_data_before_anybody_takes_control(served):
    with RemoteRobot(served.endpoint, ANSWER_S) as robot:
        features = robot.features
    assert features == served.server.features
    assert len(features.joints) == 24
    assert len(features.control_range_rad) == 20
    assert features.clock == "virtual"
    assert served.told == []


def test_it_observes_acts_and_is_wound_on(robot):
    robot.connect()
    robot.arm()
    before = robot.observe()
    sent = robot.act(np.full(20, 0.1), before.time_s)
    assert sent.executed
    assert robot.wait_until(0.08) == pytest.approx(0.08)
    after = robot.observe()
    assert (before.mode, after.mode) == ("moving", "moving")
    assert after.time_s == pytest.approx(0.08)
    assert np.abs(after.values["actuator_angles"] - before.values["actuator_angles"]).max() > 0.01


def test_a_simulated_robot_can_be_put_into_a_state(robot):
    robot.connect()
    pose = np.array([1.0, 0.87, 0.3, 0.0, 0.0, 0.0, 1.0])
    angles = np.linspace(0.0, 0.1, 24)
    robot.place(State(angles, np.zeros(24), pose, np.zeros(6), np.zeros(30)))
    values = robot.observe().values
    assert np.array_equal(values["joint_angles"], angles)
    assert np.array_equal(values["object_position"], pose[:3])
    assert np.array_equal(values["object_orientation"], pose[3:])


def test_a_second_controller_is_refused_until_the_first_has_left(served, robot):
    robot.connect()
    with RemoteRobot(served.endpoint, ANSWER_S) as second:
        with pytest.raises(TemporaryError, match="has control"):
            second.connect()
        with pytest.raises(TemporaryError, match="does not have control"):
            second.arm()
        robot.disconnect()
        second.connect()
        second.arm()


def test_a_controller_that_vanishes_makes_room_and_the_robot_comes_to_rest(served, stranger):
    assert isinstance(take(stranger), say.Done)
    assert stranger(encode(say.Arm(number=2))).mode == "moving"
    stranger.dealer.close()
    deadline_s = time.monotonic() + ANSWER_S
    with RemoteRobot(served.endpoint, ANSWER_S) as other:
        while time.monotonic() < deadline_s:
            try:
                other.connect()
                break
            except TemporaryError:
                continue
        assert other.wait_until(0.3) == pytest.approx(0.304, abs=0.01)
        assert other.observe().mode == "holding"
        other.wait_until(1.0)
        assert other.observe().mode == "relaxed"


def test_a_command_said_twice_or_overtaken_is_worth_nothing(served, stranger):
    take(stranger)
    stranger(encode(say.Arm(number=2)))
    change = np.full(20, 0.05).tobytes()
    first = stranger(encode(say.Act(number=5, observed_s=0.0)), change)
    assert (first.number, first.executed) == (5, True)
    for number in (5, 3, 4):
        stranger.dealer.send_multipart([encode(say.Act(number=number, observed_s=0.0)), change])
    assert stranger(encode(say.Observe(number=6, images=False))).number == 6
    assert served.server.counts["repeated"] == 3


def test_a_late_command_is_told_to_have_done_nothing(robot):
    robot.connect()
    robot.arm()
    reading = robot.observe()
    robot.wait_until(0.15)
    robot.act(nothing(robot), robot.observe().time_s)
    robot.wait_until(0.3)
    assert not robot.act(np.full(20, 0.3), reading.time_s).executed


@pytest.mark.parametrize(
    "frame",
    [np.full(20, np.nan).tobytes(), np.full(20, np.inf).tobytes(), np.zeros(19).tobytes(), b"", b"\0" * 1000],
)
def test_a_command_that_is_not_one_finite_number_a_motor_moves_nothing(served, stranger, frame):
    take(stranger)
    stranger(encode(say.Arm(number=2)))
    denied = stranger(encode(say.Act(number=3, observed_s=0.0)), frame)
    assert (type(denied), denied.code) == (say.Denied, 76)
    assert served.server.counts["broken"] == 1


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"hello",
        b"dexctl\x01",
        b"dexctl\x02" + b"\x80",
        b"dexctl\x01\x81\xa4kind\xa3act",
        b"dexctl\x01" + b"\x91" * 900,
    ],
)
def test_garbage_is_refused_and_the_robot_serves_on(served, stranger, message):
    denied = stranger(message, b"x")
    assert (type(denied), denied.code) == (say.Denied, 76)
    assert isinstance(take(stranger), say.Done)
    assert served.told[0][0] == "warning"


def test_a_frame_too_long_cuts_its_sender_off_and_the_robot_serves_on(served, robot):
    largest = served.server._socket.maxmsgsize
    for size, cut in ((largest, False), (largest + 1, True)):
        with socket.create_connection(("127.0.0.1", int(served.endpoint.rpartition(":")[2]))) as raw:
            raw.settimeout(ANSWER_S)
            greeting = b"\xff" + b"\0" * 8 + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" * 32
            ready = b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
            raw.sendall(greeting + b"\x04" + bytes([len(ready)]) + ready)
            assert said(raw, 64)[0] == 0xFF
            assert b"ROUTER" in said(raw, said(raw, 2)[1])
            # A long frame, and no other after it.
            raw.sendall(b"\x02" + size.to_bytes(8, "big"))
            if cut:
                with contextlib.suppress(ConnectionResetError):
                    assert raw.recv(1) == b""
            else:
                raw.sendall(b"\0" * size)
                assert said(raw, 1)
    robot.connect()
    assert robot.observe().mode == "idle"


def said(raw, size):
    """So many bytes that a peer says next."""
    found = b""
    while len(found) < size:
        piece = raw.recv(size - len(found))
        assert piece, "it hung up"
        found += piece
    return found


def test_a_flood_of_garbage_is_one_line(served, stranger):
    for _ in range(50):
        assert stranger(b"hello", b"x").code == 76
    assert [kind for kind, _ in served.told] == ["warning"]
    assert "127.0.0.1: a message that breaks the protocol" in served.told[0][1]["message"]
    assert served.server.counts["broken"] == 50


def test_pictures_are_as_old_as_the_robot_says(served):
    aged = say.Reading(number=1, time_s=1.0, mode="idle", images=True, image_age_s=0.25)
    assert decode(memoryview(encode(aged)), say.FROM_ROBOT, say.ROBOT_CONTROL_BYTES) == aged
    assert served.told == []


def test_a_key_that_is_removed_stops_the_robot_and_is_cut_off(same, tmp_path):
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    for pair in (tmp_path / "robot", allowed / "me", allowed / "other"):
        make_key_pair(pair)
    keys = server_keys(tmp_path / "robot.key_secret", allowed)
    mine, theirs = (worker_keys(allowed / f"{who}.key_secret", tmp_path / "robot.key") for who in ("me", "other"))
    with (
        serve(same, keys=keys) as served,
        RemoteRobot(served.endpoint, ANSWER_S, mine) as robot,
        RemoteRobot(served.endpoint, ANSWER_S, theirs) as other,
    ):
        robot.connect()
        robot.arm()
        (allowed / "me.key").unlink()
        with pytest.raises((RefusedError, UnavailableError)):
            ask_on(robot)
        # Who comes next is let in once the first is let go of.
        other.connect()
        left = [fields for kind, fields in served.told if kind == "controller_left"]
        assert [one["reason"] for one in left] == ["its key was removed"]
        assert other.observe().mode == "holding"
        with pytest.raises((RefusedError, UnavailableError, TemporaryError)):
            robot.arm()


def ask_on(robot):
    """Asks until it is answered no more."""
    deadline_s = time.monotonic() + ANSWER_S
    while time.monotonic() < deadline_s:
        robot.observe()


def test_nan_never_leaves(robot):
    robot.connect()
    robot.arm()
    with pytest.raises(SafetyStop, match="not finite"):
        robot.act(np.full(20, np.nan), 0.0)


def test_nobody_there_is_told_in_time():
    with (
        RemoteRobot("tcp://127.0.0.1:9", 0.2, connect_s=0.2) as robot,
        pytest.raises(UnavailableError, match="no answer"),
    ):
        assert robot.features


def test_only_known_keys_are_let_in(same, tmp_path):
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    make_key_pair(tmp_path / "robot")
    make_key_pair(allowed / "me")
    make_key_pair(tmp_path / "other")
    keys = server_keys(tmp_path / "robot.key_secret", allowed)

    def controller(secret, server="robot"):
        return worker_keys(secret, tmp_path / f"{server}.key")

    with serve(same, keys=keys) as served:
        with RemoteRobot(served.endpoint, ANSWER_S, controller(allowed / "me.key_secret")) as robot:
            robot.connect()
            assert robot.observe().mode == "idle"
        for secret, server in ((tmp_path / "other.key_secret", "robot"), (allowed / "me.key_secret", "other")):
            refused = pytest.raises((RefusedError, UnavailableError))
            with RemoteRobot(served.endpoint, ANSWER_S, controller(secret, server), 1.0) as robot, refused:
                assert robot.features
        with RemoteRobot(served.endpoint, ANSWER_S, None, 1.0) as robot, pytest.raises(DexctlError):
            assert robot.features


def test_features_that_do_not_fit_themselves_are_refused(served):
    features = msgspec.to_builtins(served.server.features)
    for change in ({"senses": ["smell"]}, {"joint_range_rad": []}, {"force_limit_nm": [1.0]}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({**features, **change}, say.Features)

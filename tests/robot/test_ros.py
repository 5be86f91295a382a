"""A hand behind rosbridge, against a small server that speaks its protocol over a real WebSocket."""

import json
import threading
import time

import msgspec
import numpy as np
import pytest
from websockets.sync.server import serve as serve_websocket

from dexctl.errors import SafetyStop, UnavailableError
from dexctl.profile.load import load
from dexctl.robot.ros import RosRobot
from dexctl.scene import names

PATIENCE_S = 20.0
PERIOD_S = 0.08


class Bridge:
    """rosbridge's ``subscribe``, ``advertise`` and ``publish``; says whatever topics are told to say."""

    def __init__(self):
        self.says, self.published, self.subscribed = {}, [], set()
        self._server = serve_websocket(self._talk, "127.0.0.1", 0)
        self.port = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _talk(self, connection):
        while True:
            try:
                message = json.loads(connection.recv(timeout=0.01))
            except TimeoutError:
                for topic in self.subscribed & self.says.keys():
                    connection.send(json.dumps({"op": "publish", "topic": topic, "msg": self.says[topic]}))
                continue
            except Exception:
                return
            if message["op"] == "subscribe":
                self.subscribed.add(message["topic"])
            if message["op"] == "publish":
                self.published.append(message["msg"])

    def close(self):
        self._server.shutdown()
        self._thread.join(timeout=PATIENCE_S)


@pytest.fixture
def profile():
    return load("robot/ros", [], {}).profile


@pytest.fixture
def bridge(profile):
    topics = profile.robot.ros
    found = Bridge()
    pose = {"position": {"x": 1.0, "y": 0.87, "z": 0.2}, "orientation": {"w": 0.0, "x": 0.0, "y": 0.0, "z": 2.0}}
    found.says = {
        topics.joint_states: {
            "name": list(reversed(names.JOINTS)),
            "position": list(np.arange(24) / 100),
            "velocity": [],
        },
        topics.markers: {"poses": [{"position": {"x": i, "y": 0.0, "z": 0.0}} for i in range(8)]},
        topics.object_pose: {"pose": pose},
    }
    yield found
    found.close()


@pytest.fixture
def robot(bridge, profile):
    """One whose watchdog waits, however busy the machine is."""
    patient = msgspec.structs.replace(profile.robot, watchdog_s=PATIENCE_S, command_age_s=PATIENCE_S / 2)
    with RosRobot("127.0.0.1", bridge.port, profile.hand, patient, PERIOD_S, PATIENCE_S) as found:
        yield found


def published(bridge, count=1):
    deadline_s = time.monotonic() + PATIENCE_S
    while len(bridge.published) < count:
        assert time.monotonic() < deadline_s
    return bridge.published[count - 1]


def motors(message):
    """What a trajectory asks of each motor: of a coupled pair the sum."""
    of = dict(zip(message["joint_names"], message["points"][0]["positions"], strict=True))
    return [of[joint] + of.get(names.COUPLED.get(joint, ""), 0.0) for joint in names.ACTUATED]


def test_it_hears_joints_markers_and_object_in_the_order_of_the_features(robot):
    robot.connect()
    values = robot.observe().values
    assert tuple(values) == robot.features.senses
    assert values["joint_angles"] == pytest.approx(np.arange(23, -1, -1) / 100)
    assert values["fingertip_markers"][:, 0].tolist() == [0, 1, 2, 3, 4]
    assert values["base_markers"][:, 0].tolist() == [5, 6, 7]
    assert values["object_orientation"].tolist() == [0, 0, 0, 1]
    assert values["object_age"] < PATIENCE_S


def test_a_command_is_a_trajectory_to_where_the_joints_are_plus_the_change(robot, bridge):
    robot.connect()
    robot.arm()
    reading = robot.observe()
    sent = robot.act(np.full(20, 0.05), reading.time_s)
    message = published(bridge)
    assert sorted(message["joint_names"]) == sorted(names.JOINTS)
    assert motors(message) == pytest.approx(sent.target_rad.tolist())
    assert message["points"][0]["time_from_start"] == {"secs": 0, "nsecs": 80_000_000}
    low, high = np.array(robot.features.control_range_rad).T
    assert sent.target_rad == pytest.approx(np.clip(reading.values["actuator_angles"] + 0.05, low, high))


def test_stopping_asks_the_hand_to_stay_and_takes_no_more_commands(robot, bridge):
    robot.connect()
    robot.arm()
    robot.stop("enough")
    assert motors(published(bridge)) == pytest.approx(robot.observe().values["actuator_angles"].tolist())
    with pytest.raises(SafetyStop, match="it is holding"):
        robot.act(np.zeros(20), 0.0)


def test_a_controller_that_was_silent_for_too_long_finds_a_hand_that_holds(bridge, profile):
    robot_profile = msgspec.structs.replace(profile.robot, watchdog_s=0.05)
    with RosRobot("127.0.0.1", bridge.port, profile.hand, robot_profile, PERIOD_S, PATIENCE_S) as robot:
        robot.connect()
        robot.arm()
        deadline_s = time.monotonic() + PATIENCE_S
        while robot.observe().mode == "moving":
            assert time.monotonic() < deadline_s
        reading = robot.observe()
        with pytest.raises(SafetyStop, match="it is holding"):
            robot.act(np.full(20, 0.05), reading.time_s)
        held = motors(published(bridge))
        assert held == pytest.approx(reading.values["actuator_angles"].tolist())
        assert len(bridge.published) == 1


def test_nan_never_leaves_and_a_stale_command_neither(robot, bridge):
    robot.connect()
    robot.arm()
    with pytest.raises(SafetyStop, match="not finite"):
        robot.act(np.full(20, np.nan), robot.observe().time_s)
    assert not robot.act(np.zeros(20), robot.observe().time_s - PATIENCE_S).executed
    assert bridge.published == []


def test_a_coupled_pair_shares_its_motors_angle(bridge, profile):
    assert profile.hand.gains == "2018"
    robot_profile = msgspec.structs.replace(profile.robot, watchdog_s=PATIENCE_S, command_age_s=PATIENCE_S)
    with RosRobot("127.0.0.1", bridge.port, profile.hand, robot_profile, PERIOD_S, PATIENCE_S) as robot:
        robot.connect()
        robot.arm()
        values = robot.observe().values
        angles = dict(zip(names.JOINTS, values["joint_angles"], strict=True))
        motor = names.ACTUATED.index("FFJ1")
        assert values["actuator_angles"][motor] == pytest.approx(angles["FFJ1"] + angles["FFJ0"])
        sent = robot.act(np.zeros(20), robot.observe().time_s)
        message = published(bridge)
        sent_to = dict(zip(message["joint_names"], message["points"][0]["positions"], strict=True))
        assert sent_to["FFJ1"] == sent_to["FFJ0"] == pytest.approx(sent.target_rad[motor] / 2)


def test_topics_that_say_nothing_are_named(robot, bridge):
    bridge.says.clear()
    robot._connect_s = 1.0
    with pytest.raises(UnavailableError, match=r"nothing is said of .*joint_angles"):
        robot.connect()


def test_no_bridge_is_told_and_leaves_nothing_to_close(profile):
    with (
        RosRobot("127.0.0.1", 9, profile.hand, profile.robot, PERIOD_S, 0.2) as robot,
        pytest.raises(UnavailableError, match="no rosbridge answers"),
    ):
        robot.connect()


@pytest.mark.parametrize(
    ("topic", "message", "why"),
    [
        ("joint_states", {"position": []}, "no list 'name'"),
        ("joint_states", {"name": list(names.JOINTS), "position": ["bent"] * 24}, "which is no number"),
        ("markers", {"poses": [{}] * 8}, "where fields are wanted"),
        ("object_pose", {"pose": {"position": {"x": 1}}}, "where fields are wanted"),
    ],
)
def test_a_message_that_cannot_be_read_is_refused_and_named(bridge, profile, topic, message, why):
    called = getattr(profile.robot.ros, topic)
    bridge.says[called] = message
    with (
        RosRobot("127.0.0.1", bridge.port, profile.hand, profile.robot, PERIOD_S, 1.0) as robot,
        pytest.raises(UnavailableError, match=f"{called} was refused: .*{why}"),
    ):
        robot.connect()


def test_velocities_that_are_not_told_are_differences_of_the_angles(profile):
    robot = RosRobot("127.0.0.1", 9, profile.hand, profile.robot, PERIOD_S, 0.2)

    def state(time_s, angle_rad):
        stamp = {"secs": int(time_s), "nsecs": round(time_s % 1 * 1e9)}
        return {"header": {"stamp": stamp}, "name": list(names.JOINTS), "position": [angle_rad] * 24}

    assert "joint_velocities" not in robot._take_joints(state(5.0, 0.1))
    for step in range(1, 8):
        values = robot._take_joints(state(5.0 + 0.008 * step, 0.1 + 0.02 * step))
        assert values["joint_velocities"] == pytest.approx(np.full(24, 2.5))
    told = {**state(6.0, 0.5), "velocity": [1.5] * 24}
    assert robot._take_joints(told)["joint_velocities"].tolist() == [1.5] * 24

"""A hand behind rosbridge: joint states, marker and object poses in, joint trajectories out.

Each command is a short way that ends where the hand then stays: it holds by itself when nobody speaks, also when this
process is gone, and for as long as its own controllers let it: nothing here can make it let go. A controller that comes
back after the watchdog's time is told that the hand holds, and moves nothing.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import numpy as np

from dexctl.errors import SafetyStop, UnavailableError
from dexctl.profile import schema
from dexctl.robot import ros_messages
from dexctl.robot.protocol import Features, Mode, Reading, Sent, State
from dexctl.scene import names

# Where joint states tell no velocity, it is the difference of angles over so long.
_WINDOW_S = 0.024


class RosRobot:
    """``Robot`` over rosbridge, by roslibpy; for one thread. A context manager that disconnects."""

    def __init__(
        self, host: str, port: int, hand: schema.Hand, robot: schema.Robot, period_s: float, connect_s: float
    ) -> None:
        """Prepares; nothing is asked yet.

        Args:
            hand: the robot's own, for its limits and its coupled joints.
            period_s: of a control step: how long a command takes to its end.

        Raises:
            UnavailableError: roslibpy is not installed.
        """
        try:
            import roslibpy
        except ImportError as error:
            raise UnavailableError("roslibpy is not installed", "pip install 'dexctl[ros]'") from error
        assert robot.ros is not None
        self._roslibpy: Any = roslibpy
        self._host, self._port, self._connect_s = host, port, connect_s
        self._robot, self._topics, self._period_s = robot, robot.ros, period_s
        self.features = _features(hand, robot)
        # Elsewhere J1 has a motor to itself, and J0 follows by the hand's own coupling.
        self._pairs = names.COUPLED if hand.gains == "2018" else {}
        self._low = np.array([low for low, _ in self.features.control_range_rad])
        self._high = np.array([high for _, high in self.features.control_range_rad])
        self._mode: Mode = "idle"
        self._commanded_s = 0.0
        self._lock = threading.Lock()
        self._values: dict[str, np.ndarray] = {}
        self._heard_s: dict[str, float] = {}
        # Why the last message of a topic was refused.
        self._refused: dict[str, str] = {}
        # When joints were measured, and their angles.
        self._measured: deque[tuple[float, np.ndarray]] = deque()
        self._started_s = time.monotonic()
        self._client: Any = None
        self._commands: Any = None

    def connect(self) -> None:
        """Connects and waits for the first joint state; see ``Robot.connect``."""
        ros = self._roslibpy
        client = ros.Ros(host=self._host, port=self._port)
        try:
            client.run(timeout=self._connect_s)
        except Exception as error:
            raise UnavailableError(
                f"ros://{self._host}:{self._port}: no rosbridge answers: {error}", "Start rosbridge_server."
            ) from error
        self._client = client
        topics = self._topics
        for name, kind, take in (
            (topics.joint_states, "sensor_msgs/JointState", self._take_joints),
            (topics.markers, "geometry_msgs/PoseArray", self._take_markers),
            (topics.object_pose, "geometry_msgs/PoseStamped", self._take_object),
        ):
            if name:
                ros.Topic(self._client, name, kind).subscribe(self._hearing(name, take))
        self._commands = ros.Topic(self._client, topics.trajectory, "trajectory_msgs/JointTrajectory")
        self._commands.advertise()
        self._await_first()

    def _await_first(self) -> None:
        deadline_s = time.monotonic() + self._connect_s
        while not set(self.features.senses) <= set(self._read().values):
            if time.monotonic() > deadline_s:
                missing = sorted(set(self.features.senses) - set(self._read().values))
                with self._lock:
                    refused = "".join(f"; {topic} was refused: {why}" for topic, why in self._refused.items())
                raise UnavailableError(
                    f"ros://{self._host}:{self._port}: nothing is said of {', '.join(missing)}{refused}",
                    "Check the topics of [robot.ros].",
                )
            time.sleep(0.01)

    def arm(self) -> None:
        """Lets commands move the hand; see ``Robot.arm``."""
        self._mode, self._commanded_s = "moving", time.monotonic()

    def observe(self, images: bool = False) -> Reading:
        """The newest messages; see ``Robot.observe``.

        Raises:
            UnavailableError: the bridge is gone, or a topic has said what cannot be read for too long.
        """
        if not self._client.is_connected:
            raise UnavailableError(f"ros://{self._host}:{self._port}: the bridge closed the connection")
        with self._lock:
            for topic, why in self._refused.items():
                if time.monotonic() - self._heard_s.get(topic, 0.0) > self._robot.safety.sensor_age_s:
                    raise UnavailableError(f"{topic} was refused: {why}", "Look at who publishes it.")
        self._bite()
        return self._read()

    def act(self, change_rad: np.ndarray, observed_s: float) -> Sent:
        """Publishes a trajectory of one point; see ``Robot.act``."""
        self._bite()
        if self._mode != "moving":
            raise SafetyStop(f"the robot takes no command: it is {self._mode}", "Arm it anew when all is in order.")
        if not np.isfinite(change_rad).all():
            raise SafetyStop("a command that is not finite never leaves", "Look at the policy.")
        reading = self.observe()
        here = reading.values["actuator_angles"]
        if reading.time_s - observed_s > self._robot.command_age_s:
            return Sent(reading.time_s, False, np.zeros_like(change_rad), here, 0)
        wanted = here + change_rad
        target = np.clip(wanted, self._low, self._high)
        self._publish(target)
        self._commanded_s = time.monotonic()
        return Sent(reading.time_s, True, target - here, target, int(np.count_nonzero(target != wanted)))

    def wait_until(self, time_s: float) -> float:
        """Waits for the clock; see ``Robot.wait_until``."""
        left_s = time_s - (time.monotonic() - self._started_s)
        if left_s > 0:
            time.sleep(left_s)
        return time.monotonic() - self._started_s

    def place(self, state: State) -> None:
        """A real hand cannot be put into a state."""
        raise SafetyStop("a real hand cannot be put into a state")

    def stop(self, reason: str) -> None:
        """Asks the hand to stay where it is; see ``Robot.stop``."""
        if self._mode == "moving":
            if self._client is not None and self._client.is_connected:
                self._publish(self._read().values["actuator_angles"])
            self._mode = "holding"

    def disconnect(self) -> None:
        """Stops and leaves; see ``Robot.disconnect``."""
        if self._client is not None:
            self.stop("it leaves")
            if self._commands is not None:
                self._commands.unadvertise()
            self._client.close()
            self._client = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disconnect()

    def _bite(self) -> None:
        """The watchdog: a hand that had no command in time is asked to stay, and takes none until it is armed anew."""
        if self._mode == "moving" and time.monotonic() - self._commanded_s > self._robot.watchdog_s:
            self.stop("no command came in time")

    def _publish(self, target_rad: np.ndarray) -> None:
        positions: dict[str, float] = {}
        for joint, target in zip(names.ACTUATED, target_rad.tolist(), strict=True):
            # Of a coupled pair the sum is commanded: half to each joint.
            following = self._pairs.get(joint)
            positions[joint] = target if following is None else 0.5 * target
            if following is not None:
                positions[following] = 0.5 * target
        point = {"positions": list(positions.values()), "time_from_start": _duration(self._period_s)}
        self._commands.publish(self._roslibpy.Message({"joint_names": list(positions), "points": [point]}))

    def _read(self) -> Reading:
        now_s = time.monotonic()
        with self._lock:
            values, heard = dict(self._values), dict(self._heard_s)
        topics = self._topics
        for age, topic in (("joint_age", topics.joint_states), ("object_age", topics.object_pose)):
            if topic in heard:
                values[age] = np.array([now_s - heard[topic]])
        if topics.markers in heard:
            values["fingertip_age"] = np.full(len(names.FINGERS), now_s - heard[topics.markers])
        values = {name: values[name] for name in self.features.senses if name in values}
        return Reading(now_s - self._started_s, self._mode, values)

    def _hearing(self, topic: str, take: Callable[[object], Mapping[str, np.ndarray]]) -> Callable[[object], None]:
        """What roslibpy calls with each message of a topic."""

        def hear(message: object) -> None:
            try:
                values = take(message)
            except ValueError as error:
                # What was said before grows old, and that stops the hand.
                with self._lock:
                    self._refused[topic] = str(error)
                return
            with self._lock:
                self._refused.pop(topic, None)
                self._values.update(values)
                self._heard_s[topic] = time.monotonic()

        return hear

    def _take_joints(self, message: object) -> Mapping[str, np.ndarray]:
        angles, velocities, stamp_s = ros_messages.joint_state(message)
        if velocities is None:
            velocities = self._difference(time.monotonic() if stamp_s is None else stamp_s, angles)
        of, pairs = dict(zip(names.JOINTS, angles, strict=True)), self._pairs
        motors = np.array(
            [of[joint] + (of[pairs[joint]] if joint in pairs else 0.0) for joint in names.ACTUATED], np.float64
        )
        values = {"joint_angles": angles, "actuator_angles": motors}
        return values if velocities is None else {**values, "joint_velocities": velocities}

    def _difference(self, time_s: float, angles: np.ndarray) -> np.ndarray | None:
        """Velocities (J,) rad/s from the angles of the last moments; None before there are two."""
        before = self._measured
        if before and time_s <= before[-1][0]:
            # Its clock was set back.
            before.clear()
        before.append((time_s, angles))
        while len(before) > 2 and time_s - before[1][0] >= _WINDOW_S:
            before.popleft()
        first_s, first = before[0]
        return (angles - first) / (time_s - first_s) if len(before) > 1 else None

    def _take_markers(self, message: object) -> Mapping[str, np.ndarray]:
        fingertips, base = ros_messages.markers(message)
        return {"fingertip_markers": fingertips, "base_markers": base}

    def _take_object(self, message: object) -> Mapping[str, np.ndarray]:
        position, orientation = ros_messages.object_pose(message)
        return {"object_position": position, "object_orientation": orientation}


def _duration(seconds: float) -> dict[str, int]:
    return {"secs": int(seconds), "nsecs": round((seconds - int(seconds)) * 1e9)}


def _features(hand: schema.Hand, robot: schema.Robot) -> Features:
    assert robot.ros is not None
    senses = ["joint_angles", "joint_velocities", "actuator_angles", "joint_age"]
    senses += ["fingertip_markers", "base_markers", "fingertip_age"] if robot.ros.markers else []
    senses += ["object_position", "object_orientation", "object_age"] if robot.ros.object_pose else []
    return Features(
        name=robot.name,
        joints=names.JOINTS,
        actuators=names.ACTUATORS,
        joint_range_rad=tuple(hand.joints[joint].range_rad for joint in names.JOINTS),
        velocity_limit_rad_s=robot.velocity_limit_rad_s,
        control_range_rad=tuple(hand.actuators[name].control_range_rad for name in names.ACTUATORS),
        force_limit_nm=tuple(hand.actuators[name].force_limit_nm for name in names.ACTUATORS),
        loop_period_s=robot.loop_period_s,
        watchdog_s=robot.watchdog_s,
        relax_s=robot.relax_s,
        command_age_s=robot.command_age_s,
        clock="real",
        senses=tuple(senses),
    )

"""From an address to a robot."""

from __future__ import annotations

from contextlib import AbstractContextManager
from urllib.parse import urlsplit

from dexctl.errors import ProfileError, UsageError
from dexctl.profile import schema
from dexctl.robot.protocol import Robot
from dexctl.robot.remote import RemoteRobot
from dexctl.wire.keys import WorkerKeys


def open_robot(
    address: str,
    robot: schema.Robot,
    profile: schema.Profile,
    keys: WorkerKeys | None,
    connect_s: float,
    wakeup_fd: int | None = None,
) -> AbstractContextManager[Robot]:
    """The robot at an address, not yet connected; a context manager that disconnects.

    Args:
        address: ``tcp://HOST:PORT`` of a robot that speaks dexctl's protocol, ``ros://HOST:PORT`` of a rosbridge.
        robot: how long to wait for its answers.
        profile: of the hand that it is.

    Raises:
        UsageError: the address is of no kind that is known.
        ProfileError: the robot's profile does not say how it is reached.
    """
    kind = address.partition("://")[0]
    if kind == "tcp":
        return RemoteRobot(address, robot.safety.answer_s, keys, connect_s, wakeup_fd)
    if kind == "ros":
        from dexctl.robot.ros import RosRobot

        if robot.ros is None:
            raise ProfileError(f"{robot.name}: it has no table [robot.ros]", "Take 'robot/ros', or inherit it.")
        parts = urlsplit(address)
        if not parts.hostname or parts.port is None:
            raise UsageError(f"{address} is not ros://HOST:PORT")
        return RosRobot(parts.hostname, parts.port, profile, robot, connect_s)
    raise UsageError(f"{address}: no robot is reached so", "Give tcp://HOST:PORT, or ros://HOST:PORT.")

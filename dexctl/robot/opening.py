"""From an address to a robot."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from urllib.parse import urlsplit

from dexctl.errors import ProfileError, UsageError
from dexctl.profile import schema
from dexctl.robot.protocol import Robot
from dexctl.robot.remote import RemoteRobot
from dexctl.robot.watched import WatchedRobot
from dexctl.wire.keys import WorkerKeys


@contextlib.contextmanager
def open_robot(
    address: str,
    profile: schema.Profile,
    period_s: float,
    keys: WorkerKeys | None,
    connect_s: float,
    wakeup_fd: int | None = None,
    sees: bool = False,
) -> Iterator[Robot]:
    """The robot at an address, not yet connected; a context manager that disconnects.

    Args:
        address: ``tcp://HOST:PORT`` of a robot that speaks dexctl's protocol, ``ros://HOST:PORT`` of a rosbridge.
        profile: the robot's own: the hand that it is, how long to wait for its answers, which cameras look at it.
        period_s: of the control steps that it will be commanded in.
        sees: pictures are wanted.

    Raises:
        UsageError: the address is of no kind that is known.
        ProfileError: the robot's profile does not say how it is reached.
    """
    robot = profile.robot
    assert robot is not None
    with _by_address(address, profile.hand, robot, period_s, keys, connect_s, wakeup_fd) as found:
        if not (sees and robot.cameras):
            yield found
            return
        with WatchedRobot(found, robot.cameras, robot.image_px) as watched:
            yield watched


def _by_address(
    address: str,
    hand: schema.Hand,
    robot: schema.Robot,
    period_s: float,
    keys: WorkerKeys | None,
    connect_s: float,
    wakeup_fd: int | None,
) -> AbstractContextManager[Robot]:
    kind = address.partition("://")[0]
    if kind == "tcp":
        return RemoteRobot(address, robot.safety.answer_s, keys, connect_s, wakeup_fd)
    if kind == "ros":
        from dexctl.robot.ros import RosRobot

        if robot.ros is None:
            raise ProfileError(f"{robot.name}: it has no table [robot.ros]", "Take 'robot/ros', or inherit it.")
        host, port = _host_and_port(address)
        return RosRobot(host, port, hand, robot, period_s, connect_s)
    raise UsageError(f"{address}: no robot is reached so", "Give tcp://HOST:PORT, or ros://HOST:PORT.")


def _host_and_port(address: str) -> tuple[str, int]:
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port is None:
        raise UsageError(f"{address} is not ros://HOST:PORT")
    return host, port

"""From an address to a robot."""

from __future__ import annotations

from contextlib import AbstractContextManager

from dexctl.errors import UsageError
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
        address: ``tcp://HOST:PORT`` of a robot that speaks dexctl's protocol.
        robot: how long to wait for its answers.
        profile: of the hand that it is.

    Raises:
        UsageError: the address is of no kind that is known.
    """
    kind = address.partition("://")[0]
    if kind == "tcp":
        return RemoteRobot(address, robot.safety.answer_s, keys, connect_s, wakeup_fd)
    raise UsageError(f"{address}: no robot is reached so", "Give tcp://HOST:PORT.")

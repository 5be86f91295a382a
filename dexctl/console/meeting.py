"""Waiting for a robot's first answer, which a signal ends."""

from __future__ import annotations

from dexctl.console.signals import Signals
from dexctl.robot.protocol import Features, Robot


def features_of(robot: Robot, signals: Signals) -> Features:
    """What the robot is, asked for as long as it was opened for.

    Raises:
        Stopped: a signal came first.
        UnavailableError: nobody answers.
        RefusedError, ProtocolError: not with these keys, not with this protocol.
    """
    while True:
        try:
            return robot.features
        except InterruptedError:
            signals.drain()
            signals.raise_if_stopped()

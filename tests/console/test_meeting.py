import os
import signal
import socket

import pytest

from dexctl.console.exit_codes import Stopped
from dexctl.console.meeting import features_of
from dexctl.console.signals import Signals
from dexctl.robot.remote import RemoteRobot


class Woken:
    """A robot whose first answer a signal comes before."""

    asked = 0

    @property
    def features(self):
        self.asked += 1
        if self.asked == 1:
            os.kill(os.getpid(), signal.SIGUSR1)
            raise InterruptedError
        return "features"


def test_a_signal_ends_the_wait_for_a_robot_however_long_it_may_take():
    with socket.create_server(("127.0.0.1", 0)) as silent, Signals() as signals:
        endpoint = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        with RemoteRobot(endpoint, 1.0, connect_s=float("inf"), wakeup_fd=signals.fileno()) as robot:
            os.kill(os.getpid(), signal.SIGTERM)
            with pytest.raises(Stopped) as stopped:
                features_of(robot, signals)
    assert stopped.value.code == 143


def test_a_signal_that_only_asks_does_not_end_it():
    robot = Woken()
    with Signals() as signals:
        assert features_of(robot, signals) == "features"
        assert signals.take_status_request()
    assert robot.asked == 2

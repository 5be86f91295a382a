"""A simulated robot with a virtual clock, in this process and served by a thread; every wait is bounded."""

import contextlib
import threading

import numpy as np
import pytest

from dexctl.profile.load import load
from dexctl.robot import gap
from dexctl.robot.body import Body
from dexctl.robot.low_level import LowLevel
from dexctl.robot.remote import RemoteRobot
from dexctl.robot.server import RobotServer

ANSWER_S = 20.0


@pytest.fixture(scope="session")
def same():
    return load("robot/same", [], {}).profile


@pytest.fixture(scope="session")
def twin():
    return load("robot/twin", [], {}).profile


def make_body(profile, seed=0):
    return Body(profile, profile.robot, gap.draw(profile.robot, seed))


@pytest.fixture
def low_level(same):
    return LowLevel(make_body(same), same.robot)


class Served:
    """A robot that a thread serves until the test is over."""

    def __init__(self, profile, virtual=True, keys=None, seed=0):
        self.told = []
        self.server = RobotServer(
            profile,
            profile.robot,
            seed,
            "tcp://127.0.0.1:0",
            virtual,
            lambda kind, fields: self.told.append((kind, fields)),
            keys,
        )
        self.endpoint = self.server.endpoint
        self.over = False
        self.failure = None
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self):
        try:
            self.server.start()
            while not self.over:
                self.server.turn()
        except BaseException as error:
            self.failure = error
        finally:
            self.server.close()

    def stop(self):
        self.over = True
        self.thread.join(timeout=ANSWER_S)
        assert not self.thread.is_alive()
        assert self.failure is None


@contextlib.contextmanager
def serve(profile, **options):
    served = Served(profile, **options)
    served.thread.start()
    try:
        yield served
    finally:
        served.stop()


@pytest.fixture
def served(same):
    with serve(same) as found:
        yield found


@pytest.fixture
def robot(served):
    with RemoteRobot(served.endpoint, ANSWER_S) as found:
        yield found


def nothing(robot):
    """A command that moves nothing."""
    return np.zeros(len(robot.features.actuators))

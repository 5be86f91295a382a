"""A link that is slow, dead for a while, or cut, between a real controller and a robot in real time."""

import contextlib
import selectors
import socket
import threading
import time

import msgspec
import numpy as np
import pytest

from dexctl.errors import SafetyStop, TemporaryError, UnavailableError
from dexctl.robot.remote import RemoteRobot

from .conftest import ANSWER_S, nothing, serve


class Link:
    """Hands bytes on between a client and a server, one client after the other, late or not at all.

    Attributes:
        alive: cleared, nothing passes any more.
        delay_s: that every byte is late, each way.
    """

    def __init__(self, endpoint):
        self.delay_s, self.alive, self.over = 0.0, threading.Event(), False
        self.alive.set()
        self._server = ("127.0.0.1", int(endpoint.rpartition(":")[2]))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(0.05)
        self.endpoint = f"tcp://127.0.0.1:{self._listening.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self.over:
            try:
                client, _ = self._listening.accept()
            except TimeoutError:
                continue
            with client, socket.create_connection(self._server) as server, contextlib.suppress(ConnectionError):
                self._carry(client, server)

    def _carry(self, client, server):
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            waiting = []
            while not self.over:
                if not self.alive.wait(0.05):
                    continue
                for key, _ in selector.select(0.005):
                    content = key.fileobj.recv(1 << 16)
                    if not content:
                        return
                    waiting.append((time.monotonic() + self.delay_s, key.data, content))
                while waiting and waiting[0][0] <= time.monotonic():
                    _, to, content = waiting.pop(0)
                    to.sendall(content)

    def close(self):
        self.over = True
        self._thread.join(timeout=ANSWER_S)
        self._listening.close()


@pytest.fixture
def linked(same):
    # A second in place of 200 ms, so that a busy machine is not taken for a slow link.
    patient = msgspec.structs.replace(same.robot, watchdog_s=1.0, relax_s=0.3, command_age_s=1.0)
    with serve(msgspec.structs.replace(same, robot=patient), virtual=False) as served:
        link = Link(served.endpoint)
        try:
            with RemoteRobot(link.endpoint, 4.0) as robot:
                robot.connect()
                robot.arm()
                yield served, link, robot
        finally:
            link.close()


def wait_for_mode(served, mode):
    deadline_s = time.monotonic() + ANSWER_S
    while served.server._low.mode != mode:
        assert time.monotonic() < deadline_s
        served.server.loop.ready.wait()


def act_on(robot, count):
    """Commands that must not be executed, or are refused outright."""
    for _ in range(count):
        assert not robot.act(np.full(20, 0.5), robot.observe().time_s).executed


@pytest.mark.slow
def test_packets_late_by_half_a_second_are_never_executed(linked):
    served, link, robot = linked
    reading = robot.observe()
    assert robot.act(nothing(robot), reading.time_s).executed
    link.delay_s = 0.8
    with pytest.raises(SafetyStop, match=r"it is (holding|relaxed)"):
        act_on(robot, 10)
    wait_for_mode(served, "relaxed")


@pytest.mark.slow
def test_a_link_that_is_cut_lets_the_robot_rest_and_the_controller_know(linked):
    served, link, robot = linked
    link.alive.clear()
    with pytest.raises(UnavailableError, match="no answer"):
        robot.observe()
    wait_for_mode(served, "relaxed")
    link.alive.set()
    # What was asked while the link was dead arrives now; nothing of it moves a robot that let go.
    with pytest.raises((SafetyStop, TemporaryError), match=r"relaxed|does not have control"):
        act_on(robot, 1)

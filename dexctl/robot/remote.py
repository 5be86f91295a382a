"""A robot at the other end of a wire."""

from __future__ import annotations

import os
import socket
import time
from types import TracebackType
from typing import Self, TypeVar

import numpy as np
import zmq

from dexctl.errors import DexctlError, ProtocolError, RefusedError, SafetyStop, TemporaryError, UnavailableError
from dexctl.robot.protocol import Features, Reading, Sent, State
from dexctl.wire import robot_messages as say
from dexctl.wire.connections import FAILED, Connections
from dexctl.wire.endpoint import host_of
from dexctl.wire.keys import WorkerKeys
from dexctl.wire.messages import Fault, decode, encode

_ERRORS: dict[int, type[DexctlError]] = {
    10: SafetyStop,
    69: UnavailableError,
    75: TemporaryError,
    76: ProtocolError,
    77: RefusedError,
}
# Pictures take a renderer's time.
_PICTURES_S = 5.0
# A simulation that is wound on may take longer than the robot's own time.
_ADVANCE_S = 60.0
_SMALLEST_S = 1e-4
# A poll takes milliseconds that fit into 32 bits, and a signal during one is seen after it.
_TURN_S = 0.25

Kind = TypeVar("Kind", bound=say.Answer)


class RemoteRobot:
    """``Robot`` over the wire; for one thread. A context manager that disconnects.

    Attributes:
        endpoint: of the robot.
    """

    def __init__(
        self,
        endpoint: str,
        answer_s: float,
        keys: WorkerKeys | None = None,
        connect_s: float = 10.0,
        wakeup_fd: int | None = None,
    ) -> None:
        """Prepares; nothing is asked yet.

        Args:
            answer_s: a robot that does not answer for longer is gone.
            keys: encrypt.
            connect_s: how long to wait for the first answer.
            wakeup_fd: ends ``wait_until`` and the wait for ``features`` when it becomes readable; it is not read here.

        Raises:
            UsageError: ``endpoint`` is no TCP endpoint.
        """
        host = host_of(endpoint)
        self.endpoint, self._answer_s, self._connect_s = endpoint, answer_s, connect_s
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.linger = 100
        self._socket.ipv6 = ":" in host
        self._socket.reconnect_ivl = 100
        self._socket.handshake_ivl = 5_000
        self._socket.maxmsgsize = 64 << 20
        self._socket.rcvhwm = self._socket.sndhwm = 64
        if keys:
            self._socket.curve_publickey = keys.public
            self._socket.curve_secretkey = keys.secret
            self._socket.curve_serverkey = keys.server
        self._connections = Connections(self._socket)
        self._socket.connect(endpoint)
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._connections.monitor, zmq.POLLIN)
        self._wakeup = zmq.Poller()
        if wakeup_fd is not None:
            self._wakeup.register(wakeup_fd, zmq.POLLIN)
        self._has_wakeup = wakeup_fd is not None
        self._number = 0
        self._features: Features | None = None
        self._held = self._closed = False
        # Robot's clock less ours, from the last answer; the way of a message is in it.
        self._ahead_s = 0.0
        self._time_s = 0.0

    @property
    def features(self) -> Features:
        """What the robot is; asked for once.

        Raises:
            InterruptedError: a signal came first; ask again, or leave.
            UnavailableError: nobody answers.
            RefusedError: not with these keys.
            ProtocolError: it speaks another protocol.
        """
        if self._features is None:
            question = say.Describe(number=self._next())
            answer, _ = self._ask(question, [], say.Description, self._connect_s, may_be_woken=True)
            self._features = answer.features
            self._readings = {images: self._features.reading(images) for images in (False, True)}
            self._sent, self._state = self._features.sent(), self._features.state()
            self._command = self._features.command()
        return self._features

    def connect(self) -> None:
        """Takes control; see ``Robot.connect``."""
        features = self.features
        self._ask(say.Take(number=self._next(), host=socket.gethostname(), pid=os.getpid()), [], say.Done)
        self._held = True
        assert features.actuators

    def arm(self) -> None:
        """Lets commands move the robot; see ``Robot.arm``."""
        self._ask(say.Arm(number=self._next()), [], say.Done)

    def observe(self, images: bool = False) -> Reading:
        """The newest reading; see ``Robot.observe``."""
        wait_s = self._answer_s + (_PICTURES_S if images else 0.0)
        answer, frames = self._ask(say.Observe(number=self._next(), images=images), [], say.Reading, wait_s)
        arrays = self._unpack(self._readings[images], frames)
        pictures = {name.partition(":")[2]: arrays.pop(name) for name in list(arrays) if ":" in name}
        return Reading(answer.time_s, answer.mode, arrays, pictures, answer.image_age_s)

    def act(self, change_rad: np.ndarray, observed_s: float) -> Sent:
        """Commands a change; see ``Robot.act``."""
        change = np.ascontiguousarray(change_rad, np.float64)
        if not np.isfinite(change).all():
            raise SafetyStop("a command that is not finite never leaves", "Look at the policy.")
        frames = self._command.frames({"change": change})
        answer, back = self._ask(say.Act(number=self._next(), observed_s=observed_s), frames, say.Sent)
        arrays = self._unpack(self._sent, back)
        return Sent(answer.time_s, answer.executed, arrays["change"], arrays["target"], answer.clipped)

    def wait_until(self, time_s: float) -> float:
        """Waits for the robot's clock, or winds it on; see ``Robot.wait_until``."""
        if self.features.clock == "virtual":
            self._ask(say.Advance(number=self._next(), until_s=time_s), [], say.Done, _ADVANCE_S)
            return self._time_s
        while (left_s := time_s - self._ahead_s - time.monotonic()) > 0:
            if not self._has_wakeup:
                time.sleep(left_s)
            elif left_s > _SMALLEST_S * 20:
                # A poll counts whole milliseconds: the rest is slept.
                if self._wakeup.poll(int((left_s - 1e-3) * 1000)):
                    break
            else:
                time.sleep(left_s)
        return time.monotonic() + self._ahead_s

    def place(self, state: State) -> None:
        """Puts a simulated robot into a state; see ``Robot.place``."""
        arrays = {name: np.ascontiguousarray(value, np.float64) for name, value in vars(state).items()}
        self._ask(say.Place(number=self._next()), self._state.frames(arrays), say.Done, self._answer_s + 1.0)

    def stop(self, reason: str) -> None:
        """Holds and lets go; silent when the robot does not answer, whose own watchdog does the same."""
        if self._held and not self._closed:
            try:
                self._ask(say.Stop(number=self._next(), reason=reason[:1000]), [], say.Done)
            except DexctlError:
                return

    def disconnect(self) -> None:
        """Stops and gives control away; see ``Robot.disconnect``."""
        if self._closed:
            return
        if self._held:
            try:
                self._ask(say.Leave(number=self._next()), [], say.Done)
            except DexctlError:
                self._held = False
        self._closed = True
        self._connections.close()
        self._socket.close(linger=100)
        self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disconnect()

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _unpack(self, layout: say.Layout, frames: list[memoryview]) -> dict[str, np.ndarray]:
        try:
            return layout.arrays_of(frames)
        except ValueError as error:
            raise ProtocolError(f"{self.endpoint} sent {error}", "Give both sides the same version.") from None

    def _ask(
        self,
        question: say.Question,
        frames: list[memoryview],
        kind: type[Kind],
        wait_s: float = 0.0,
        may_be_woken: bool = False,
    ) -> tuple[Kind, list[memoryview]]:
        """Asks and waits for this question's own answer; older ones that come late are dropped."""
        deadline_s = time.monotonic() + (wait_s or self._answer_s)
        try:
            self._socket.send_multipart([encode(question), *frames], zmq.NOBLOCK)
        except zmq.Again:
            raise UnavailableError(f"{self.endpoint}: the robot takes no more messages") from None
        while True:
            left_s = deadline_s - time.monotonic()
            ready = dict(self._poller.poll(max(0, int(min(left_s, _TURN_S) * 1000) + 1)))
            if self._connections.monitor in ready:
                self._watch()
            if self._socket in ready:
                found = self._receive(question.number, kind)
                if found:
                    return found
            elif left_s <= 0:
                raise UnavailableError(
                    f"{self.endpoint}: no answer from a robot in {wait_s or self._answer_s:g} s",
                    "Look whether it runs, and check the endpoint and the keys.",
                )
            elif may_be_woken and self._wakeup.poll(0):
                raise InterruptedError(f"{self.endpoint}: a signal came before an answer")

    def _watch(self) -> None:
        changes = self._connections.changes(time.monotonic())
        for change in changes:
            if change.event == zmq.EVENT_DISCONNECTED and change.connection:
                change.connection.handle.close()
        for change in changes:
            if change.event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                raise RefusedError(
                    f"{self.endpoint} refused this controller's key",
                    "Copy the controller's .key file into the robot's folder of allowed keys.",
                )
            if change.event & FAILED:
                raise RefusedError(
                    f"no handshake with {self.endpoint}: its keys do not fit ours, or it is no robot",
                    "Check that both sides use keys, and that the robot's .key file is its own.",
                )
            if change.event == zmq.EVENT_DISCONNECTED and self._held:
                self._held = False
                raise UnavailableError(f"{self.endpoint}: the robot closed the connection", "Look at the robot.")

    def _receive(self, number: int, kind: type[Kind]) -> tuple[Kind, list[memoryview]] | None:
        frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
        try:
            answer = decode(frames[0].buffer, say.FROM_ROBOT, say.ROBOT_CONTROL_BYTES)
        except Fault as fault:
            raise ProtocolError(f"{self.endpoint} sent {fault.reason}", "Give both sides the same version.") from None
        if answer.number not in (number, 0):
            return None
        self._time_s = answer.time_s
        self._ahead_s = answer.time_s - time.monotonic()
        if isinstance(answer, say.Denied):
            raise _ERRORS.get(answer.code, UnavailableError)(f"{self.endpoint}: {answer.reason}")
        if not isinstance(answer, kind):
            raise ProtocolError(f"{self.endpoint} answered {type(answer).__name__}, not {kind.__name__}")
        return answer, [frame.buffer for frame in frames[1:]]

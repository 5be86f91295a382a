"""A simulated robot on the wire: answers one controller, and lets nobody else move it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypedDict

import numpy as np
import zmq

from dexctl.errors import CreateError, DexctlError
from dexctl.profile import schema
from dexctl.robot import gap
from dexctl.robot.body import Body
from dexctl.robot.low_level import LowLevel
from dexctl.robot.protocol import Features, Mode, State
from dexctl.robot.realtime import Loop
from dexctl.robot.sensing import SENSES, Sensing
from dexctl.scene.anatomy import anatomy
from dexctl.wire import robot_messages as say
from dexctl.wire.arrivals import Complaints
from dexctl.wire.connections import Connection, Connections
from dexctl.wire.endpoint import host_to_bind
from dexctl.wire.gate import Gate
from dexctl.wire.keys import ServerKeys
from dexctl.wire.messages import Fault, decode, encode

# A controller that says nothing for so long, beyond watchdog and relaxing, has given control away.
_GIVEN_AWAY_S = 0.5
_PLACING_S = 0.5
_TURN_S = 0.1
_MOST_WAITING = 64

Tell = Callable[[str, dict[str, object]], None]
# From positions (Q,) to each camera's picture, (H, W, 3) uint8.
Pictures = Callable[[np.ndarray], dict[str, np.ndarray]]


@dataclasses.dataclass
class Holder:
    """Who has control.

    Attributes:
        route: of its connection; number: of its last question.
        heard_s: monotonic, of the last question.
        key: that its connection was let in with, or empty.
    """

    route: bytes
    who: str
    number: int
    heard_s: float
    connection: Connection | None = None
    key: bytes = b""


class _Now(TypedDict):
    time_s: float
    mode: Mode


class RobotServer:
    """Serves one simulated robot; ``turn`` is to be called again and again by one thread.

    Attributes:
        endpoint: what a controller connects to, with the real port.
        features: what it says of itself.
        loop: the low-level loop's thread, or None with a virtual clock.
        counts: what was ignored: ``repeated``, ``late`` and ``broken`` messages.
    """

    def __init__(
        self,
        profile: schema.Profile,
        robot: schema.Robot,
        seed: int,
        bind: str,
        virtual: bool,
        tell: Tell,
        keys: ServerKeys | None = None,
        insecure: bool = False,
        pictures: Pictures | None = None,
    ) -> None:
        """Builds the robot and binds.

        Args:
            seed: which robot of the family.
            virtual: time passes only when the controller says so.
            tell: of what happens, by kind and fields.
            pictures: None for a robot without cameras.

        Raises:
            UsageError, RefusedError, CreateError: the address is no endpoint, needs keys, or is taken.
            ProfileError: the robot's physics and loop do not fit.
        """
        host = host_to_bind(bind, keys, insecure)
        hand = anatomy(profile.hand)
        member = gap.draw(robot, seed, len(hand.joints), len(hand.actuators))
        self.body = Body(profile, robot, member)
        self._low = LowLevel(self.body, robot)
        self._sensing = Sensing(self.body, robot.sensors, member, seed)
        self._tell, self._pictures, self._robot = tell, pictures, robot
        self.features = _features(self.body, robot, virtual, tuple(profile.cameras) if pictures else ())
        self._layouts = {images: self.features.reading(images) for images in (False, True)}
        self._command, self._sent, self._state = self.features.command(), self.features.sent(), self.features.state()
        self._holder: Holder | None = None
        self.counts = {"repeated": 0, "late": 0, "broken": 0}
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._gate = Gate(self._context, keys) if keys else None
        self._complaints = Complaints()
        self._connections = Connections(self._socket)
        self.endpoint = self._bind(bind, host)
        self._poller = zmq.Poller()
        for source in (self._socket, self._connections.monitor, *([self._gate.socket] if self._gate else [])):
            self._poller.register(source, zmq.POLLIN)
        self.loop = None if virtual else Loop(robot.loop_period_s, self._low.turn)

    def _bind(self, bind: str, host: str) -> str:
        server = self._socket
        server.linger = 100
        server.ipv6 = ":" in host
        server.handshake_ivl = 10_000
        server.maxmsgsize = max(say.CONTROLLER_CONTROL_BYTES, self._state.largest_frame) + 64
        server.rcvhwm = server.sndhwm = _MOST_WAITING
        if self._gate:
            self._gate.guard(server)
        try:
            server.bind(bind)
        except zmq.ZMQError as error:
            self._close_sockets()
            raise CreateError(
                f"cannot bind {bind}: {error.strerror}", "Choose another endpoint; port 0 takes a free one."
            ) from None
        return server.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")

    def watch(self, descriptor: int) -> None:
        """Ends a turn when a descriptor becomes readable, a signal's say."""
        self._poller.register(descriptor, zmq.POLLIN)

    def start(self) -> None:
        """Starts the low-level loop, where time is real; returns when it runs."""
        if self.loop:
            self.loop.start()
            self.loop.ready.wait()

    def turn(self) -> None:
        """Answers who asks, or waits a moment.

        Raises:
            Exception: what ended the low-level loop.
        """
        if self.loop and self.loop.failure:
            raise self.loop.failure
        ready = dict(self._poller.poll(int(_TURN_S * 1000)))
        if self._gate and self._gate.socket in ready:
            for address, reason in self._gate.answer():
                self._complaints.note(address, reason)
        if self._connections.monitor in ready:
            self._watch()
        if self._socket in ready:
            for _ in range(_MOST_WAITING):
                try:
                    frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
                except zmq.Again:
                    break
                self._read(frames)
        self._check_holder()
        self._complain()

    def _complain(self) -> None:
        """Tells of what was refused, a flood of it in one line every ten seconds."""
        for one in self._complaints.due(time.monotonic()):
            times = f", {one.count} times" if one.count > 1 else ""
            self._tell("warning", {"message": f"{one.peer}: {one.reason}{times}"})

    def _watch(self) -> None:
        for change in self._connections.changes(time.monotonic()):
            if change.event != zmq.EVENT_DISCONNECTED or change.connection is None:
                continue
            if self._holder and self._holder.connection is change.connection:
                # The watchdog brings the hand to rest; another may take control meanwhile.
                self._release("its connection closed")
            change.connection.handle.close()

    def _check_holder(self) -> None:
        if self._gate:
            self._gate.allowed.refresh()
            if self._holder and self._holder.key not in self._gate.allowed.names:
                self._low.stop()
                if self._holder.connection:
                    self._holder.connection.cut()
                self._release("its key was removed")
        if self._holder is None or self.loop is None:
            return
        limit_s = self._robot.watchdog_s + self._robot.relax_s + _GIVEN_AWAY_S
        if time.monotonic() - self._holder.heard_s > limit_s and self._low.mode != "moving":
            self._release(f"silent for {limit_s:.1f} s")

    def _release(self, reason: str) -> None:
        if self._holder:
            self._tell("controller_left", {"controller": self._holder.who, "reason": reason, **self.counts})
            self._holder = None

    def _read(self, frames: list[zmq.Frame]) -> None:
        route = frames[0].bytes
        try:
            if len(frames) < 2:
                raise Fault("not a message of dexctl")
            question = decode(frames[1].buffer, say.FROM_CONTROLLER, say.CONTROLLER_CONTROL_BYTES)
        except Fault as fault:
            self._broken(route, frames[0], 0, fault.reason)
            return
        key = _key_of(frames[1])
        if self._gate and key not in self._gate.allowed.names:
            self._deny(route, question.number, 77, "this key is not allowed any more")
            return
        holder = self._holder if self._holder and self._holder.route == route else None
        if holder and question.number <= holder.number:
            # Said before, or overtaken by a later word: it is worth nothing any more.
            self.counts["repeated"] += 1
            return
        if holder:
            holder.number, holder.heard_s = question.number, time.monotonic()
        try:
            self._answer(route, question, frames, holder)
        except ValueError as error:
            self._broken(route, frames[1], question.number, str(error))
        except DexctlError as error:
            self._deny(route, question.number, error.code, str(error).partition("\n")[0])

    def _broken(self, route: bytes, frame: zmq.Frame, number: int, reason: str) -> None:
        self.counts["broken"] += 1
        connection = self._connections.of(frame)
        peer = connection.host if connection else "somebody who left"
        self._complaints.note(peer, f"a message that breaks the protocol: {reason}")
        self._complain()
        self._deny(route, number, 76, reason)

    def _deny(self, route: bytes, number: int, code: int, reason: str) -> None:
        self._send(route, say.Denied(number=number, **self._now(), code=code, reason=reason[:1000]))

    def _now(self) -> _Now:
        return {"time_s": float(self._low.time_s), "mode": self._low.mode}

    def _send(self, route: bytes, answer: say.Answer, frames: list[memoryview] | None = None) -> None:
        try:
            self._socket.send_multipart([route, encode(answer), *(frames or [])], zmq.NOBLOCK)
        except zmq.ZMQError:
            # Its peer is gone, or does not read what it asked for.
            return

    def _answer(
        self, route: bytes, question: say.FromController, frames: list[zmq.Frame], holder: Holder | None
    ) -> None:
        number = question.number
        match question:
            case say.Describe():
                self._send(route, say.Description(number=number, **self._now(), features=self.features))
                return
            case say.Take():
                self._take(route, question, frames[1])
                return
        if holder is None:
            self._deny(route, number, 75, "this controller does not have control")
            return
        arrays = [frame.buffer for frame in frames[2:]]
        match question:
            case say.Observe():
                self._observe(route, number, question.images)
                return
            case say.Act():
                self._act(route, question, arrays)
                return
            case say.Arm():
                self._low.arm()
                self._tell("armed", {"controller": holder.who})
            case say.Place():
                self._place(State(**self._state.arrays_of(arrays)))
            case say.Advance():
                self._advance(question.until_s)
            case say.Stop():
                self._low.stop()
                self._tell("stopped", {"reason": question.reason})
            case say.Leave():
                self._low.stop()
                self._release("it left")
        self._send(route, say.Done(number=number, **self._now()))

    def _take(self, route: bytes, question: say.Take, frame: zmq.Frame) -> None:
        if self._holder and self._holder.route != route:
            self._deny(route, question.number, 75, f"{self._holder.who} has control")
            return
        who = f"{question.host}:{question.pid}"
        self._holder = Holder(
            route, who, question.number, time.monotonic(), self._connections.of(frame), _key_of(frame)
        )
        self.counts = dict.fromkeys(self.counts, 0)
        self._tell("controller_joined", {"controller": who})
        self._send(route, say.Done(number=question.number, **self._now()))

    def _observe(self, route: bytes, number: int, images: bool) -> None:
        now = self._now()
        values = self._sensing.read(now["time_s"], self._low.idle_s)
        image_age_s = 0.0
        if images:
            if self._pictures is None:
                raise ValueError("this robot has no cameras")
            for name, picture in self._pictures(self.body.data.qpos.copy()).items():
                values[f"camera:{name}"] = picture
            # They show what was when they were asked for.
            image_age_s = self._low.time_s - now["time_s"]
        frames = self._layouts[images].frames(values)
        self._send(route, say.Reading(number=number, **now, images=images, image_age_s=image_age_s), frames)

    def _act(self, route: bytes, question: say.Act, arrays: list[memoryview]) -> None:
        change = self._command.arrays_of(arrays)["change"]
        sent = self._low.act(change, question.observed_s)
        self.counts["late"] += not sent.executed
        answer = say.Sent(
            number=question.number,
            time_s=sent.time_s,
            mode=self._low.mode,
            executed=sent.executed,
            clipped=sent.clipped,
        )
        self._send(route, answer, self._sent.frames({"change": sent.change_rad, "target": sent.target_rad}))

    def _place(self, state: State) -> None:
        self._low.place(state, wait=self.loop is not None)
        deadline_s = time.monotonic() + _PLACING_S
        while self._low.placing and time.monotonic() < deadline_s:
            time.sleep(self._robot.loop_period_s)

    def _advance(self, until_s: float) -> None:
        if self.loop is not None:
            raise ValueError("this robot's clock is real")
        turns = round(until_s / self._robot.loop_period_s) - self._low.turns
        if turns * self._robot.loop_period_s > 60.0:
            raise ValueError("an advance of more than a minute")
        self._low.advance(turns)

    def close(self) -> None:
        """Holds, stops the loop, and closes the sockets."""
        self._low.stop()
        if self.loop:
            self.loop.stop()
        self._close_sockets()

    def _close_sockets(self) -> None:
        self._connections.close()
        if self._gate:
            self._gate.close()
        self._socket.close(linger=100)
        self._context.term()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _key_of(frame: zmq.Frame) -> bytes:
    """The public key that a frame's connection was let in with; empty without keys."""
    try:
        return str(frame.get("User-Id")).encode()
    except zmq.ZMQError:
        return b""


def _features(body: Body, robot: schema.Robot, virtual: bool, cameras: tuple[str, ...]) -> Features:
    model = body.scene.model
    return Features(
        name=robot.name,
        joints=body.scene.anatomy.joints,
        actuators=body.scene.anatomy.actuators,
        joint_range_rad=tuple((float(a), float(b)) for a, b in model.jnt_range[body.scene.joint_ids]),
        velocity_limit_rad_s=robot.velocity_limit_rad_s,
        control_range_rad=tuple((float(a), float(b)) for a, b in model.actuator_ctrlrange),
        force_limit_nm=tuple(float(high) for high in model.actuator_forcerange[:, 1]),
        loop_period_s=robot.loop_period_s,
        watchdog_s=robot.watchdog_s,
        relax_s=robot.relax_s,
        command_age_s=robot.command_age_s,
        clock="virtual" if virtual else "real",
        senses=SENSES,
        cameras=cameras,
        image_px=robot.image_px if cameras else 0,
        places=True,
    )

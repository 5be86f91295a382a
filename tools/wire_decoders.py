"""Everything that dexctl reads from the wire, as functions of bytes; see decoders.py."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from decoder import Decoder

from dexctl.errors import DexctlError
from dexctl.profile.load import load
from dexctl.robot import ros_messages
from dexctl.rollout.worker import profile_of
from dexctl.scene import names
from dexctl.wire import messages, robot_messages, row_messages
from dexctl.wire.endpoint import host_of
from dexctl.wire.layout import ArrayLayout, Layout
from dexctl.wire.parameters import Packing, unpack, version_of

WIRE_CODES = {75, 76, 77}
FAULTS = (messages.Fault,)
# Frames of arrays are refused so; whoever reads them turns it into a Fault.
VALUES = (ValueError,)


def _frames(decoder: msgspec.msgpack.Decoder[Any], limit: int, *seeds: messages.Message) -> Decoder:
    return Decoder(
        lambda data: messages.decode(memoryview(data), decoder, limit),
        [messages.encode(seed) for seed in seeds],
        FAULTS,
        frozenset(WIRE_CODES),
    )


def _from_worker(folder: Path) -> Decoder:
    hello = messages.Hello(
        worker="w", incarnation=1, token=b"", digest="", layout="", host="h", pid=1, memory="", sequence=0
    )
    segment = messages.SegmentHeader(worker="w", sequence=1, version=1, environments=1, steps=1, report={"goals": 1.0})
    seeds = (hello, segment, messages.Ping(version=1), messages.Fetch(version=1, offset=0), messages.Ask())
    decode = lambda data: messages.decode_from_worker(memoryview(data))  # noqa: E731
    return Decoder(decode, [messages.encode(seed) for seed in seeds], FAULTS, frozenset(WIRE_CODES))


def _from_optimizer(folder: Path) -> Decoder:
    loaded = load("block-yaw", (), {})
    welcome = messages.Welcome(
        worker_index=0,
        seed=0,
        instance="i",
        token=b"",
        profile_json=loaded.profile_json(),
        digest=loaded.digest,
        layout=_LAYOUT,
        credits=1,
        received=0,
        outstanding=[],
        version=0,
        heartbeat_s=0.2,
        timeout_s=0.6,
    )

    def decode(data: bytes) -> None:
        message = messages.decode_from_optimizer(memoryview(data))
        if isinstance(message, messages.Welcome):
            profile_of(message, 1)

    seeds = (welcome, messages.Refuse(code=76, reason="no"), messages.Announce(version=1, size=1, share=False))
    encoded = [messages.encode(seed) for seed in seeds]
    return Decoder(decode, encoded, (messages.Fault, DexctlError), frozenset(WIRE_CODES))


def _from_controller(folder: Path) -> Decoder:
    seeds = (robot_messages.Describe(number=0), robot_messages.Act(number=1, observed_s=0.5))
    return _frames(robot_messages.FROM_CONTROLLER, robot_messages.CONTROLLER_CONTROL_BYTES, *seeds)


def _from_robot(folder: Path) -> Decoder:
    span = (-1.0, 1.0)
    features = robot_messages.Features(
        name="r",
        joints=("j",),
        actuators=("a",),
        joint_range_rad=(span,),
        velocity_limit_rad_s=1.0,
        control_range_rad=(span,),
        force_limit_nm=(1.0,),
        loop_period_s=0.001,
        watchdog_s=0.2,
        relax_s=1.0,
        command_age_s=0.1,
        clock="real",
        senses=("joint_angles",),
        cameras=("top",),
        image_px=8,
    )

    def decode(data: bytes) -> None:
        message = messages.decode(memoryview(data), robot_messages.FROM_ROBOT, robot_messages.ROBOT_CONTROL_BYTES)
        if isinstance(message, robot_messages.Description):
            for layout in (message.features.reading(True), message.features.state(), message.features.sent()):
                with contextlib.suppress(ValueError):
                    layout.arrays_of([memoryview(bytes(1))] * len(layout.specs))

    described = robot_messages.Description(number=0, time_s=0.0, mode="idle", features=features)
    seeds = (described, robot_messages.Denied(number=1, time_s=0.0, mode="idle", code=75, reason="no"))
    return Decoder(decode, [messages.encode(seed) for seed in seeds], FAULTS, frozenset(WIRE_CODES))


def _from_receiver(folder: Path) -> Decoder:
    seeds = (row_messages.Open(dataset="states", host="h", pid=1), row_messages.More(portions=1, taken=0))
    return _frames(row_messages.FROM_RECEIVER, row_messages.RECEIVER_CONTROL_BYTES, *seeds)


def _from_sender(folder: Path) -> Decoder:
    column = row_messages.RowColumn(name="qpos", dtype="float32", shape=(2,))
    opened = row_messages.Opened(dataset="states", about=b"{}", columns=(column,), heartbeat_s=1.0, timeout_s=3.0)

    def decode(data: bytes) -> None:
        message = messages.decode(memoryview(data), row_messages.FROM_SENDER, row_messages.SENDER_CONTROL_BYTES)
        if isinstance(message, row_messages.Opened):
            with contextlib.suppress(ValueError):
                message.arrays_of([memoryview(bytes(8))] * len(message.columns), message.most_rows)

    seeds = (opened, row_messages.Portion(start=0, rows=1), row_messages.End(whole=True, reason=""))
    return Decoder(decode, [messages.encode(seed) for seed in seeds], FAULTS, frozenset(WIRE_CODES))


_LAYOUT = Layout(2, 2, (ArrayLayout("reward", "float32", ("T", "N")), ArrayLayout("done", "bool", ("T", "N"))))


def _segment(folder: Path) -> Decoder:
    sizes = [spec.num_bytes for spec in _LAYOUT.specs]

    def decode(data: bytes) -> None:
        view = memoryview(data)
        _LAYOUT.arrays_of([view[: sizes[0]], view[sizes[0] :]])

    return Decoder(decode, [bytes(sum(sizes))], VALUES)


def _parameters(folder: Path) -> Decoder:
    packing = Packing(1, {"weight": np.ones((2, 3), np.float32), "bias": np.zeros(3, np.float32)})
    block = bytearray(packing.num_bytes)
    packing.write(memoryview(block))

    def decode(data: bytes) -> None:
        version_of(memoryview(data))
        unpack(memoryview(data))

    return Decoder(decode, [bytes(block)], VALUES)


def _ros(read: Callable[[object], object], *seeds: dict[str, Any]) -> Decoder:
    """A message of ROS, as rosbridge sends it: roslibpy has read its JSON already."""

    def decode(data: bytes) -> None:
        try:
            message = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ValueError("no JSON") from error
        read(message)

    return Decoder(decode, [json.dumps(seed).encode() for seed in seeds], VALUES)


def _ros_joints(folder: Path) -> Decoder:
    told = {"name": list(names.JOINTS), "position": [0.1] * len(names.JOINTS), "velocity": []}
    stamped = {**told, "header": {"stamp": {"secs": 5, "nsecs": 8}}, "velocity": [0.5] * len(names.JOINTS)}
    return _ros(ros_messages.joint_state, told, stamped)


def _ros_markers(folder: Path) -> Decoder:
    poses = len(names.FINGERS) + len(names.BASE_MARKERS)
    return _ros(ros_messages.markers, {"poses": [{"position": {"x": 1.0, "y": 0.5, "z": 0.0}}] * poses})


def _ros_object(folder: Path) -> Decoder:
    pose = {"position": {"x": 1, "y": 0.8, "z": 0.2}, "orientation": {"w": 1, "x": 0, "y": 0, "z": 0}}
    return _ros(ros_messages.object_pose, {"pose": pose})


def _address(folder: Path) -> Decoder:
    seeds = [b"tcp://127.0.0.1:5555", b"tcp://[::1]:9090", b"tcp://host:1"]
    return Decoder(lambda data: host_of(data.decode(errors="replace")), seeds, codes=frozenset({64}))


WIRE_DECODERS: dict[str, Callable[[Path], Decoder]] = {
    "from-worker": _from_worker,
    "from-optimizer": _from_optimizer,
    "from-controller": _from_controller,
    "from-robot": _from_robot,
    "from-receiver": _from_receiver,
    "from-sender": _from_sender,
    "segment": _segment,
    "parameters": _parameters,
    "ros-joints": _ros_joints,
    "ros-markers": _ros_markers,
    "ros-object": _ros_object,
    "address": _address,
}

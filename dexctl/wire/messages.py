"""Every message of the wire, and how one is read: bounded, typed, and never by running code.

A control frame is seven bytes (``dexctl`` and the protocol version) and one MessagePack map that
msgspec checks against the structures here. Array bytes travel in frames of their own.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from dexctl.wire.layout import Layout

PROTOCOL = 1
MAGIC = b"dexctl"
PREFIX = MAGIC + bytes([PROTOCOL])

# What a worker may send as one control frame, and an optimizer, whose welcome carries a profile.
WORKER_CONTROL_BYTES = 64 << 10
OPTIMIZER_CONTROL_BYTES = 4 << 20

# Parameters travel in pieces of this size, so heartbeats pass between them.
PIECE_BYTES = 1 << 20
PIECES_AHEAD = 4
PARAMETERS_BYTES = 1 << 30

Name = Annotated[str, Meta(min_length=1, max_length=128)]
Text = Annotated[str, Meta(max_length=1024)]
Token = Annotated[bytes, Meta(max_length=32)]
Whole = Annotated[int, Meta(ge=0, le=2**62)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Numbers = Annotated[list[Whole], Meta(max_length=1 << 16)]
Report = Annotated[dict[Name, float], Meta(max_length=64)]


class Fault(Exception):
    """A message that breaks the protocol: its sender is refused.

    Attributes:
        code: the exit code the refused side ends with: 75, 76 or 77.
        reason: one sentence for both sides.
    """

    def __init__(self, reason: str, code: int = 76) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


def _kind(name: str) -> str:
    return name.lower()


class Message(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    tag_field="kind",
    tag=_kind,
):
    """A control message; ``kind`` on the wire is the class name in lower case."""


class Hello(Message, frozen=True):
    """A worker introduces itself, on every new connection.

    Attributes:
        worker: its id, kept over reconnections and, when the launcher names it, over restarts.
        incarnation: drawn at random by each process.
        token: what the last welcome gave, empty at first.
        digest, layout: of the profile and the layout it has; empty asks for the optimizer's.
        memory: names the shared memory it can see; equal means shared, empty means none.
        sequence: of the last segment before those that it still holds.
    """

    worker: Name
    incarnation: Whole
    token: Token
    digest: Text
    layout: Text
    host: Text
    pid: Whole
    memory: Text
    sequence: Whole


class Ping(Message, frozen=True):
    """A worker says that it lives, and which version it acts with."""

    version: Whole


class SegmentHeader(Message, frozen=True):
    """One segment of experience; the arrays of the layout follow, a frame each.

    Attributes:
        sequence: counts up by one from the hello's.
        version: of the policy that acted.
        report: numbers of the worker's own, finite.
    """

    worker: Name
    sequence: Whole
    version: Whole
    environments: Whole
    steps: Whole
    report: Report


class Fetch(Message, frozen=True):
    """A worker asks for one piece of the parameters."""

    version: Whole
    offset: Whole


class Have(Message, frozen=True):
    """A worker has a version whole; ``shared`` when it stands in its host's shared memory."""

    version: Whole
    shared: bool


class Goodbye(Message, frozen=True):
    """A worker leaves."""

    reason: Text


class Ask(Message, frozen=True):
    """Anybody that is let in asks who works, in place of a hello."""


class WorkerView(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One living worker.

    Attributes:
        worker: its index.
        address: it comes from.
        silent_s: since it was last heard.
        segments: counted so far.
        steps_per_s: of experience, over the last minute or since it came.
        version: newest policy that it said to act with.
        staleness: by how many versions that is not the newest.
    """

    worker: Whole
    name: Name
    host: Text
    pid: Whole
    address: Text
    silent_s: float
    segments: Whole
    steps_per_s: float
    version: Whole
    staleness: Whole


class Answer(Message, frozen=True):
    """The optimizer says who works; ``version`` is the newest, ``digest`` of its profile."""

    version: Whole
    digest: Text
    workers: list[WorkerView]


class Welcome(Message, frozen=True):
    """The optimizer takes a worker in.

    Attributes:
        worker_index: small and unique among the living workers, the same for the same worker id.
        instance: drawn at random by each optimizer process.
        token: to be shown again by the next hello.
        profile_json, digest: of the run.
        credits: segments that may be sent now.
        received: highest sequence number that has arrived.
        outstanding: those up to ``received`` that are not acknowledged yet.
        version: newest published, 0 before the first.
        heartbeat_s, timeout_s: how often to say that one lives, how long to wait for the other's word.
    """

    worker_index: Whole
    seed: Whole
    instance: Name
    token: Token
    profile_json: bytes
    digest: Text
    layout: Layout
    credits: Whole
    received: Whole
    outstanding: Numbers
    version: Whole
    heartbeat_s: Seconds
    timeout_s: Seconds


class Refuse(Message, frozen=True):
    """The optimizer turns a worker away; ``code`` is the exit code it should end with."""

    code: Whole
    reason: Text


class Credit(Message, frozen=True):
    """Segments ``taken`` may be forgotten, and ``credits`` more may be sent."""

    taken: Numbers
    credits: Whole


class Alive(Message, frozen=True):
    """The optimizer says that it lives."""


class Announce(Message, frozen=True):
    """A version of ``size`` bytes can be had: from the host's shared memory, or by fetching it.

    Attributes:
        share: whether to put it into shared memory, for others on the host.
    """

    version: Whole
    size: Whole
    share: bool


class Piece(Message, frozen=True):
    """One piece of the parameters; its bytes follow in a second frame."""

    version: Whole
    offset: Whole


class Gone(Message, frozen=True):
    """A version that was asked for is not kept any more."""

    version: Whole


class Dismiss(Message, frozen=True):
    """The training is over: the worker may leave."""

    reason: Text


Kind = TypeVar("Kind")

FromWorker = Hello | Ping | SegmentHeader | Fetch | Have | Goodbye | Ask
FromOptimizer = Welcome | Refuse | Credit | Alive | Announce | Piece | Gone | Dismiss | Answer

_encoder = msgspec.msgpack.Encoder()
_from_worker = msgspec.msgpack.Decoder(FromWorker)
_from_optimizer = msgspec.msgpack.Decoder(FromOptimizer)


def encode(message: Message) -> bytes:
    """Control frame of a message."""
    return PREFIX + _encoder.encode(message)


def decode_from_worker(frame: memoryview) -> FromWorker:
    """Message in a worker's control frame.

    Raises:
        Fault: too long, another protocol, or not one of the messages.
    """
    return decode(frame, _from_worker, WORKER_CONTROL_BYTES)


def decode_from_optimizer(frame: memoryview) -> FromOptimizer:
    """Message in an optimizer's control frame.

    Raises:
        Fault: too long, another protocol, or not one of the messages.
    """
    return decode(frame, _from_optimizer, OPTIMIZER_CONTROL_BYTES)


def decode(frame: memoryview, decoder: msgspec.msgpack.Decoder[Kind], limit: int) -> Kind:
    """Message in a control frame of at most ``limit`` bytes.

    Raises:
        Fault: too long, another protocol, or not one of the decoder's messages.
    """
    if len(frame) > limit:
        raise Fault(f"a control frame of {len(frame)} bytes, at most {limit} are allowed")
    if frame[: len(MAGIC)] != MAGIC or len(frame) <= len(PREFIX):
        raise Fault("not a message of dexctl")
    if frame[len(MAGIC)] != PROTOCOL:
        raise Fault(f"wire protocol {frame[len(MAGIC)]}, this side speaks {PROTOCOL}")
    try:
        return decoder.decode(frame[len(PREFIX) :])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Fault(f"a message that cannot be read: {error}") from None

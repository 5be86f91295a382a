"""A segment of experience as a worker's collector made it, recorded once for those who send it again and again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from dexctl.wire.layout import Layout


class Recorded(msgspec.Struct, frozen=True):
    """One segment.

    Attributes:
        report: the worker's own numbers.
        frames: bytes of the layout's arrays, in order.
        parameter_bytes: of the policy that acted, as its workers get it.
    """

    layout: Layout
    report: dict[str, float]
    frames: list[bytes]
    parameter_bytes: int


def record(profile: str, settings: Sequence[str], path: Path) -> Recorded:
    """Acts for one segment with an untrained policy, and writes it down."""
    # The processes that read a record need none of these, which take seconds to import.
    from dexctl.policy.weights import to_arrays
    from dexctl.profile.load import load
    from dexctl.rollout.collector import Collector
    from dexctl.wire.parameters import Packing

    collector = Collector(load(profile, settings, {}).profile, 0, 0)
    frames = [bytes(frame) for frame in collector.layout.frames(collector.collect())]
    parameters = Packing(1, to_arrays(collector.actor))
    recorded = Recorded(collector.layout, collector.report(), frames, parameters.num_bytes)
    path.write_bytes(msgspec.msgpack.encode(recorded))
    return recorded


def read(path: Path) -> Recorded:
    """A segment that was written down."""
    return msgspec.msgpack.decode(path.read_bytes(), type=Recorded)

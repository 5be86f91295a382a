"""What a sender and a receiver of rows say to each other: states on their way to a renderer, images to a learner.

A receiver opens, asks for portions, and gets one for each that it asked for; the arrays of a portion follow
its header in frames of their own, little-endian, in C order, of the length that the sender described.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from dexctl.wire.layout import check_values, view
from dexctl.wire.messages import Message, Name, Seconds, Text, Whole

RECEIVER_CONTROL_BYTES = 4 << 10
SENDER_CONTROL_BYTES = 4 << 20
# One row of three pictures of 1800 px is as large.
PORTION_BYTES = 32 << 20
# Portions that a receiver holds or has under way.
PORTIONS_AHEAD = 4

Extent = Annotated[int, Meta(ge=0, le=1 << 20)]
Dataset = Literal["states", "images"]


class RowColumn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One array of a dataset: its name, type, and the shape of one row."""

    name: Name
    dtype: Literal["float32", "float64", "int8", "uint8", "int32", "int64", "bool"]
    shape: Annotated[tuple[Extent, ...], Meta(max_length=8)]

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


class Open(Message, frozen=True):
    """A receiver asks what there is; rows come when it asks for more.

    Attributes:
        dataset: the kind it takes.
        host, pid: of the receiver, for people.
    """

    dataset: Dataset
    host: Text
    pid: Whole


class More(Message, frozen=True):
    """So many portions more may be sent; ``taken`` of those that came have been taken."""

    portions: Annotated[int, Meta(ge=1, le=PORTIONS_AHEAD)]
    taken: Annotated[int, Meta(ge=0, le=PORTIONS_AHEAD)]


class Here(Message, frozen=True):
    """The receiver lives."""


class Leave(Message, frozen=True):
    """The receiver leaves.

    Attributes:
        enough: it has all it wants; otherwise it was stopped or failed.
    """

    enough: bool
    reason: Text


class Opened(Message, frozen=True):
    """What is sent.

    Attributes:
        about: what describes the dataset, as JSON.
        columns: its arrays, in the order of their frames.
        heartbeat_s, timeout_s: what both sides keep to.
    """

    dataset: Dataset
    about: Annotated[bytes, Meta(max_length=1 << 20)]
    columns: Annotated[tuple[RowColumn, ...], Meta(min_length=1, max_length=256)]
    heartbeat_s: Seconds
    timeout_s: Seconds

    def __post_init__(self) -> None:
        if len({column.name for column in self.columns}) != len(self.columns):
            raise ValueError("an array that is named twice")
        if self.row_bytes > PORTION_BYTES:
            raise ValueError(f"a row of {self.row_bytes} bytes, at most {PORTION_BYTES} are allowed")

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of all arrays."""
        return sum(column.row_bytes for column in self.columns)

    @property
    def most_rows(self) -> int:
        """Rows that fit into one portion."""
        return max(1, PORTION_BYTES // max(1, self.row_bytes))

    def frames(self, rows: Mapping[str, np.ndarray], start: int, stop: int) -> list[bytes]:
        """The bytes of some rows, a frame an array."""
        assert rows.keys() == {column.name for column in self.columns}, sorted(rows)
        frames = []
        for column in self.columns:
            values = rows[column.name]
            assert (values.dtype, values.shape[1:]) == (np.dtype(column.dtype), column.shape), column.name
            frames.append(values[start:stop].tobytes())
        return frames

    def arrays_of(self, frames: Sequence[memoryview], rows: int) -> dict[str, np.ndarray]:
        """Arrays over received frames, without a copy.

        Raises:
            ValueError: another number of frames, another length, a number that is not finite,
                or a bool that is neither 0 nor 1.
        """
        if len(frames) != len(self.columns):
            raise ValueError(f"{len(frames)} arrays, {len(self.columns)} were described")
        arrays = {}
        for column, frame in zip(self.columns, frames, strict=True):
            if frame.nbytes != rows * column.row_bytes:
                raise ValueError(f"{column.name} has {frame.nbytes} bytes, {rows} rows take {rows * column.row_bytes}")
            arrays[column.name] = view(frame, column.dtype, (rows, *column.shape))
            check_values(column.name, arrays[column.name])
        return arrays


class Portion(Message, frozen=True):
    """Rows from ``start`` on, ``rows`` of them; a frame for each array follows."""

    start: Whole
    rows: Annotated[int, Meta(ge=1, le=1 << 24)]


class Beat(Message, frozen=True):
    """The sender lives."""


class End(Message, frozen=True):
    """No row follows.

    Attributes:
        whole: all rows were sent; otherwise the sender was stopped or failed.
    """

    whole: bool
    reason: Text


class Deny(Message, frozen=True):
    """Turns a receiver away; ``code`` is what it should exit with: 75 or 76."""

    code: Whole
    reason: Text


FromReceiver = Open | More | Here | Leave
FromSender = Opened | Portion | Beat | End | Deny

FROM_RECEIVER = msgspec.msgpack.Decoder(FromReceiver)
FROM_SENDER = msgspec.msgpack.Decoder(FromSender)

"""Messages between a process and one that draws for it, over pipes: a header, then the bytes of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO

import msgspec
import numpy as np

_LENGTH_BYTES = 8


class Header(msgspec.Struct):
    """What a message says, and which arrays follow.

    Attributes:
        about: plain values.
        arrays: name, type and shape of each.
    """

    about: dict[str, Any]
    arrays: list[tuple[str, str, list[int]]]


def write_frame(file: BinaryIO, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Writes one message and flushes it.

    Raises:
        OSError: the other side is gone.
    """
    named = [(name, array.dtype.str, list(array.shape)) for name, array in arrays.items()]
    header = msgspec.msgpack.encode(Header(dict(about), named))
    file.write(len(header).to_bytes(_LENGTH_BYTES, "little"))
    file.write(header)
    for array in arrays.values():
        file.write(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    file.flush()


def read_frame(file: BinaryIO) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Reads one message.

    Raises:
        EOFError: the other side is gone.
    """
    header = msgspec.msgpack.decode(
        _exactly(file, int.from_bytes(_exactly(file, _LENGTH_BYTES), "little")), type=Header
    )
    arrays = {}
    for name, kind, shape in header.arrays:
        array = np.empty(shape, np.dtype(kind))
        if array.size and file.readinto(array.data.cast("B")) != array.nbytes:  # pyright: ignore[reportAttributeAccessIssue]
            raise EOFError
        arrays[name] = array
    return header.about, arrays


def _exactly(file: BinaryIO, count: int) -> bytes:
    found = file.read(count)
    if len(found) != count:
        raise EOFError
    return found

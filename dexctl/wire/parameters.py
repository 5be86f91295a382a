"""Policy parameters as one block of bytes that a process writes once and many map.

Layout of a block: a little-endian uint32, the length of the index; the index (MessagePack);
zeros up to a multiple of 64; then every array at the next multiple of 64.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from dexctl.wire.layout import ArrayLayout, check_values, is_finite, view

ALIGNMENT = 64
INDEX_BYTES = 1 << 20
_LENGTH = struct.Struct("<I")


class Index(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a block holds, in the order of its bytes; every shape is in numbers."""

    version: Annotated[int, Meta(ge=0)]
    arrays: Annotated[tuple[ArrayLayout, ...], Meta(max_length=4096)]


class Packing:
    """Where every array of a set of parameters goes in its block.

    Args:
        version: of the policy, from 1.
        parameters: float32 arrays by name (uint8, int32 and bool are taken as well).

    Raises:
        ValueError: an array of another type, or one that is not finite.
    """

    def __init__(self, version: int, parameters: Mapping[str, np.ndarray]) -> None:
        self.version = version
        self._arrays = [np.ascontiguousarray(array) for array in parameters.values()]
        layouts: list[dict[str, object]] = []
        for name, array in zip(parameters, self._arrays, strict=True):
            if array.dtype.name not in ("float32", "uint8", "int32", "bool"):
                raise ValueError(f"parameter {name} is {array.dtype}, float32 is expected")
            if array.dtype.kind == "f" and not is_finite(array):
                raise ValueError(f"parameter {name} holds a number that is not finite")
            # ascontiguousarray makes a number an array of one: the shape is the caller's.
            shape = parameters[name].shape
            layouts.append({"name": name, "dtype": array.dtype.name, "shape": shape})
        index = msgspec.convert({"version": version, "arrays": layouts}, Index)
        self._index = msgspec.msgpack.encode(index)
        self._start = _aligned(_LENGTH.size + len(self._index))
        self.num_bytes = self._start + sum(_aligned(array.nbytes) for array in self._arrays)

    def write(self, block: memoryview) -> None:
        """Write the block.

        Args:
            block: ``num_bytes`` long, zeros.
        """
        _LENGTH.pack_into(block, 0, len(self._index))
        block[_LENGTH.size : _LENGTH.size + len(self._index)] = self._index
        target = np.frombuffer(block, np.uint8)
        offset = self._start
        for array in self._arrays:
            target[offset : offset + array.nbytes] = array.reshape(-1).view(np.uint8)
            offset += _aligned(array.nbytes)


def unpack(block: memoryview, trusted: bool = False) -> tuple[int, dict[str, np.ndarray]]:
    """Version and arrays of a block, over its bytes, without a copy.

    Args:
        block: the whole of it.
        trusted: somebody has looked at its numbers before.

    Raises:
        ValueError: the block is not whole, names something twice, or holds a number that is
            not finite.
    """
    index, offset = _index(block)
    parameters: dict[str, np.ndarray] = {}
    for layout in index.arrays:
        shape = tuple(extent for extent in layout.shape if isinstance(extent, int))
        if len(shape) != len(layout.shape) or layout.name in parameters:
            raise ValueError(f"parameter {layout.name} stands twice or has no shape")
        size = math.prod(shape) * np.dtype(layout.dtype).itemsize
        if offset + size > block.nbytes:
            raise ValueError(f"parameter {layout.name} reaches over the end")
        array = view(block[offset : offset + size], layout.dtype, shape)
        if not trusted:
            check_values(layout.name, array)
        parameters[layout.name] = array
        offset += _aligned(size)
    if offset != block.nbytes:
        raise ValueError(f"parameters of {offset} bytes in a block of {block.nbytes}")
    return index.version, parameters


def version_of(block: memoryview) -> int:
    """Version of a block.

    Raises:
        ValueError: the block has no index.
    """
    return _index(block)[0].version


def _index(block: memoryview) -> tuple[Index, int]:
    if block.nbytes < _LENGTH.size:
        raise ValueError("parameters without an index")
    (length,) = _LENGTH.unpack_from(block)
    if length > min(INDEX_BYTES, block.nbytes - _LENGTH.size):
        raise ValueError(f"parameters with an index of {length} bytes")
    try:
        index = msgspec.msgpack.decode(block[_LENGTH.size : _LENGTH.size + length], type=Index)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"parameters with an index that cannot be read: {error}") from None
    return index, _aligned(_LENGTH.size + length)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT

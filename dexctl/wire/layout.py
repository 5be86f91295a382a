"""The arrays of a segment: names, types and shapes, agreed on before the first byte of one.

Shape letters: T control steps of a segment, N environments of a worker.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta

DType = Literal["float32", "float64", "uint8", "int32", "bool"]
Extent = Annotated[int, Meta(ge=0, le=2**31)]
Shape = tuple[Extent | Literal["T", "N"], ...]

# Far above a segment of the paper's size; a layout beyond it is a mistake or an attack.
SEGMENT_BYTES = 4 << 30


class ArrayLayout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One array of a segment; ``T`` and ``N`` in the shape stand for the layout's own."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    dtype: DType
    shape: Annotated[Shape, Meta(max_length=8)]


class Spec(NamedTuple):
    """One array of a layout with T and N put in, and the length of its frame."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    num_bytes: int


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """What one segment holds.

    Attributes:
        steps: T.
        environments: N.
        arrays: in the order of their frames.
    """

    steps: Annotated[int, Meta(ge=1, le=2**31)]
    environments: Annotated[int, Meta(ge=1, le=2**31)]
    arrays: Annotated[tuple[ArrayLayout, ...], Meta(min_length=1, max_length=256)]

    def __post_init__(self) -> None:
        names = [array.name for array in self.arrays]
        if len(set(names)) != len(names):
            raise ValueError(f"a layout that names an array twice: {names}")
        if self.num_bytes > SEGMENT_BYTES:
            raise ValueError(f"a segment of {self.num_bytes} bytes, at most {SEGMENT_BYTES} are allowed")

    def shape(self, array: ArrayLayout) -> tuple[int, ...]:
        """Shape of an array with T and N put in."""
        letters = {"T": self.steps, "N": self.environments}
        return tuple(letters[n] if isinstance(n, str) else n for n in array.shape)

    @cached_property
    def specs(self) -> tuple[Spec, ...]:
        """All arrays, in order."""
        shapes = [self.shape(array) for array in self.arrays]
        sizes = [
            math.prod(shape) * np.dtype(array.dtype).itemsize for array, shape in zip(self.arrays, shapes, strict=True)
        ]
        return tuple(
            Spec(array.name, array.dtype, shape, size)
            for array, shape, size in zip(self.arrays, shapes, sizes, strict=True)
        )

    @cached_property
    def num_bytes(self) -> int:
        """Bytes of all arrays of a segment."""
        return sum(spec.num_bytes for spec in self.specs)

    @cached_property
    def largest_frame(self) -> int:
        """Bytes of the largest array."""
        return max(spec.num_bytes for spec in self.specs)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the layout, in hexadecimal."""
        return hashlib.sha256(msgspec.msgpack.encode(self)).hexdigest()

    def frames(self, arrays: Mapping[str, np.ndarray]) -> list[memoryview]:
        """Views of the arrays' bytes, in order, without a copy.

        Args:
            arrays: every array of the layout, C-contiguous, and no other.

        Returns:
            Flat views of bytes.

        Raises:
            ValueError: a name, type, shape or memory order that is not the layout's.
        """
        if arrays.keys() != {spec.name for spec in self.specs}:
            raise ValueError(f"a segment holds {[spec.name for spec in self.specs]}, not {list(arrays)}")
        frames = []
        for name, dtype, shape, _ in self.specs:
            array = arrays[name]
            if array.dtype != dtype or array.shape != shape:
                raise ValueError(f"{name} is {array.dtype} {array.shape}, the layout says {dtype} {shape}")
            if not array.flags.c_contiguous:
                raise ValueError(f"{name} is not contiguous in C order")
            frames.append(array.reshape(-1).view(np.uint8).data)
        return frames

    def arrays_of(self, frames: Sequence[memoryview]) -> dict[str, np.ndarray]:
        """Arrays over received frames, without a copy.

        Args:
            frames: one for each array, in order.

        Returns:
            Arrays by name, which keep the frames alive.

        Raises:
            ValueError: another number of frames, another length, a number that is not finite,
                or a bool that is neither 0 nor 1.
        """
        if len(frames) != len(self.specs):
            raise ValueError(f"{len(frames)} arrays, the layout has {len(self.specs)}")
        arrays = {}
        for (name, dtype, shape, size), frame in zip(self.specs, frames, strict=True):
            if frame.nbytes != size:
                raise ValueError(f"{name} has {frame.nbytes} bytes, {dtype} {shape} takes {size}")
            arrays[name] = view(frame, dtype, shape)
            check_values(name, arrays[name])
        return arrays


def view(frame: memoryview, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Array over bytes of the right length, without a copy."""
    return np.frombuffer(frame, dtype).reshape(shape) if frame.nbytes else np.empty(shape, dtype)


def check_values(name: str, array: np.ndarray) -> None:
    """Check what bytes from elsewhere say.

    Raises:
        ValueError: a number that is not finite, or a bool that is neither 0 nor 1.
    """
    if array.dtype.kind == "f" and not is_finite(array):
        raise ValueError(f"{name} holds a number that is not finite")
    if array.dtype == np.bool_ and array.size and array.view(np.uint8).max() > 1:
        raise ValueError(f"{name} holds a bool that is neither 0 nor 1")


def is_finite(array: np.ndarray) -> bool:
    """Whether every number is finite.

    Args:
        array: of a floating type, C-contiguous.
    """
    # A sum shows it in one pass without a temporary array, unless finite numbers overflow it.
    return math.isfinite(np.einsum("i->", array.reshape(-1))) or bool(np.isfinite(array).all())

"""The arrays of a segment: names, types and shapes, agreed on before the first byte of one.

Shape letters: T control steps of a segment, N environments of a worker.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

DType = Literal["float32", "uint8", "int32", "bool"]
Extent = Annotated[int, Meta(ge=0, le=2**31)]
Shape = tuple[Extent | Literal["T", "N"], ...]

# Far above a segment of the paper's size; a layout beyond it is a mistake or an attack.
SEGMENT_BYTES = 4 << 30


class ArrayLayout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One array of a segment; ``T`` and ``N`` in the shape stand for the layout's own."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    dtype: DType
    shape: Annotated[Shape, Meta(max_length=8)]


class Layout(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
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

    def array_bytes(self, array: ArrayLayout) -> int:
        """Length of an array's frame."""
        return math.prod(self.shape(array)) * np.dtype(array.dtype).itemsize

    @property
    def num_bytes(self) -> int:
        """Bytes of all arrays of a segment."""
        return sum(self.array_bytes(array) for array in self.arrays)

    @property
    def largest_frame(self) -> int:
        """Bytes of the largest array."""
        return max(self.array_bytes(array) for array in self.arrays)

    @property
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
        names = [array.name for array in self.arrays]
        if set(arrays) != set(names):
            raise ValueError(f"a segment holds {names}, not {list(arrays)}")
        frames = []
        for layout in self.arrays:
            array, shape = arrays[layout.name], self.shape(layout)
            if array.dtype != layout.dtype or array.shape != shape:
                raise ValueError(
                    f"{layout.name} is {array.dtype} {array.shape}, the layout says {layout.dtype} {shape}"
                )
            if not array.flags.c_contiguous:
                raise ValueError(f"{layout.name} is not contiguous in C order")
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
        if len(frames) != len(self.arrays):
            raise ValueError(f"{len(frames)} arrays, the layout has {len(self.arrays)}")
        arrays = {}
        for layout, frame in zip(self.arrays, frames, strict=True):
            if frame.nbytes != self.array_bytes(layout):
                raise ValueError(
                    f"{layout.name} has {frame.nbytes} bytes, {layout.dtype}"
                    f" {self.shape(layout)} takes {self.array_bytes(layout)}"
                )
            arrays[layout.name] = view(frame, layout.name, layout.dtype, self.shape(layout))
        return arrays


def view(frame: memoryview, name: str, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Array over bytes of the right length, without a copy, its values checked.

    Raises:
        ValueError: a number that is not finite, or a bool that is neither 0 nor 1.
    """
    if not frame.nbytes:
        return np.empty(shape, dtype)
    if dtype == "bool" and np.frombuffer(frame, np.uint8).max() > 1:
        raise ValueError(f"{name} holds a bool that is neither 0 nor 1")
    array = np.frombuffer(frame, dtype).reshape(shape)
    if dtype == "float32" and not is_finite(array):
        raise ValueError(f"{name} holds a number that is not finite")
    return array


def is_finite(array: np.ndarray) -> bool:
    """Whether every number is finite.

    Args:
        array: float32, C-contiguous.
    """
    # A sum shows it in one pass without a temporary array, unless finite numbers overflow it.
    with np.errstate(all="ignore"):
        return bool(np.isfinite(np.einsum("i->", array.reshape(-1))) or np.isfinite(array).all())

"""Datasets of rows in Zarr v3, dexctl-data(5): named arrays of one length, and how many of their rows count.

The group's attributes hold ``dexctl``: the kind of data, its layout's version, what describes the
whole, ``rows``, and a checksum of these. They are written last, in one step, after everything below them has
reached the disk. Whatever lies beyond that number is what a killed writer left, and the next one writes over it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
import numpy as np
import zarr

from dexctl.errors import DataError, MissingError
from dexctl.profile.schema import Profile

VERSION = 1
ATTRIBUTE = "dexctl"
_CHECKSUM = "checksum"
_UNIT_TOLERANCE = 1e-3
# Texts that no UTF-8 can be made of, and numbers beyond a float, are no validation errors of msgspec's.
_NO_VALUES = (msgspec.ValidationError, ValueError, OverflowError)

Rows = Mapping[str, np.ndarray]
Announce = Callable[[int, int], None]
Metadata = TypeVar("Metadata", bound=msgspec.Struct)


def announce_nothing(start: int, stop: int) -> None:
    """Tells nobody that rows became readable."""


@dataclasses.dataclass(frozen=True)
class Column:
    """One array of a dataset.

    Attributes:
        shape: of one row; None stands for any length.
        check: what each row must be: finite numbers, or unit quaternions.
        sharded: rows are compressed a few at a time, so that single ones can be read.
    """

    dtype: str
    shape: tuple[int | None, ...] = ()
    check: Literal["", "finite", "unit"] = ""
    sharded: bool = False

    def fits(self, dtype: np.dtype, shape: tuple[int, ...]) -> bool:
        """Whether an array's type and its rows' shape are this column's."""
        return (
            dtype == np.dtype(self.dtype)
            and len(shape) == len(self.shape)
            and all(wanted in (None, length) for wanted, length in zip(self.shape, shape, strict=True))
        )

    def __str__(self) -> str:
        return f"{self.dtype} rows of ({', '.join('any' if n is None else str(n) for n in self.shape)})"


def first_wrong(column: Column, values: np.ndarray) -> tuple[int, str] | None:
    """The first row that breaks its column's check, and how; None when all keep it.

    Args:
        values: (n, ...) rows of the column.
    """
    if not column.check or not len(values):
        return None
    flat = values.reshape(len(values), -1)
    wrong = ~np.isfinite(flat).all(axis=1)
    reason = "not a finite number"
    if not wrong.any() and column.check == "unit":
        length = np.linalg.norm(values.astype(np.float64), axis=-1).reshape(len(values), -1)
        wrong = (np.abs(length - 1.0) > _UNIT_TOLERANCE).any(axis=1)
        reason = "not a unit quaternion"
    return (int(np.argmax(wrong)), reason) if wrong.any() else None


def open_group(path: Path, kind: str) -> tuple[zarr.Group, dict[str, Any], int]:
    """Opens a dataset's group, what describes it, and how many rows are committed.

    Raises:
        MissingError: there is none.
        DataError: it is no Zarr v3 group, or holds something else.
    """
    group, about = _open(path, kind)
    promised = about.pop(_CHECKSUM, None)
    # Datasets of older programs have none.
    if promised is not None and promised != _checksum(about):
        raise DataError(f"{path}: what describes it is damaged: its checksum does not fit", "Make it again.")
    if about.pop("kind", None) != kind or about.pop("version", None) != VERSION:
        found = _about(group)
        raise DataError(
            f"{path}: a dataset of {found.get('kind')}, version {found.get('version')}",
            f"Expected {kind}, version {VERSION}.",
        )
    rows = about.pop("rows", None)
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 0:
        raise DataError(f"{path}: attribute dexctl.rows is {rows!r}", "It is damaged: make it again.")
    return group, about, rows


def sealed(about: Mapping[str, Any]) -> dict[str, Any]:
    """What describes a dataset, with the checksum by which a flipped bit in it is noticed."""
    return {**about, _CHECKSUM: _checksum(about)}


def _checksum(about: Mapping[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=16).hexdigest()


def kind_of(path: Path) -> str:
    """What a dataset says that it holds: ``states``, ``images``, ``recording``.

    Raises:
        MissingError: there is none.
        DataError: it is no dataset of dexctl.
    """
    return str(_open(path, "states, images or a recording")[1].get("kind"))


def _open(path: Path, expected: str) -> tuple[zarr.Group, dict[str, Any]]:
    if not path.exists():
        raise MissingError(f"{path}: no such dataset")
    try:
        group = zarr.open_group(store=str(path), mode="r+", zarr_format=3)
        return group, _about(group)
    # A foreign or cut zarr.json fails in zarr, in JSON, or by lacking the key.
    except Exception as error:
        raise DataError(f"{path}: not a dataset of dexctl ({error})", f"Expected Zarr v3 with {expected}.") from error


def _about(group: zarr.Group) -> dict[str, Any]:
    about = group.attrs[ATTRIBUTE]
    if not isinstance(about, dict):
        raise TypeError("its attribute dexctl is no table")
    return {str(key): value for key, value in about.items()}


def read_metadata(path: Path, about: Mapping[str, Any], structure: type[Metadata]) -> Metadata:
    """Reads what describes a dataset.

    Raises:
        DataError: a field is missing, unknown or of another type.
    """
    try:
        return msgspec.convert(about, structure)
    except _NO_VALUES as error:
        raise DataError(f"{path}: attribute dexctl: {error}", "It is damaged: make it again.") from error


def profile_of(plain: Mapping[str, Any], where: str, remedy: str = "Give --profile.") -> Profile:
    """The profile that stands among what describes a dataset, or what a sender sends.

    Args:
        plain: the profile as plain values.
        where: it comes from, for people; remedy: for them, too.

    Raises:
        DataError: it is damaged, or another program's.
    """
    try:
        profile = msgspec.convert(plain, Profile)
        # Also finds texts that no UTF-8 can be made of, before they are to be written.
        msgspec.json.encode(profile)
    except _NO_VALUES as error:
        raise DataError(f"{where}: its profile does not fit this program: {error}", remedy) from error
    return profile


def array_of(group: zarr.Group, name: str) -> zarr.Array:
    """One array of a group that is known to have it."""
    array = group[name]
    assert isinstance(array, zarr.Array)
    return array


def block_files(folder: Path, array: zarr.Array, start: int, stop: int) -> list[Path]:
    """The files that hold these rows; every array has one a block."""
    block = (array.shards or array.chunks)[0]
    rest = (0,) * (array.ndim - 1)
    keys = array.metadata.chunk_key_encoding  # pyright: ignore[reportAttributeAccessIssue]
    return [folder / keys.encode_chunk_key((index, *rest)) for index in range(start // block, -(-stop // block))]

"""Reads the committed rows of a dataset, and trusts none of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import zarr

from dexctl.errors import DataError
from dexctl.store.rows import Column, array_of, block_files, first_wrong, open_group

# Three pictures of 4096 px take 144 MiB; a description that promises more is damaged.
_LARGEST_BLOCK_BYTES = 1 << 30


def _arrays_of(path: Path, group: zarr.Group) -> dict[str, zarr.Array]:
    """Every array of a dataset by name, those of folders as ``folder/name``."""
    try:
        found = dict(group.arrays())
        for folder, inner in group.groups():
            found |= {f"{folder}/{name}": array for name, array in inner.arrays()}
    # What describes an array may be damaged in as many ways as a dataset's own description.
    except Exception as error:
        raise DataError(f"{path}: its arrays cannot be opened ({error})", "Make it again.") from error
    for name, array in found.items():
        block = array.shards or array.chunks
        largest = max(math.prod(block), math.prod(array.shape[1:])) * array.dtype.itemsize
        if not array.shape or largest > _LARGEST_BLOCK_BYTES:
            raise DataError(f"{path}: array {name} has shape {array.shape}, in blocks of {block}", "Make it again.")
    return found


class RowReader:
    """The committed rows of a dataset, checked as they are read.

    Attributes:
        path, kind: of the dataset.
        about: what describes the whole.
        columns: every array's layout, with its true shape.
    """

    def __init__(self, path: Path, kind: str, columns: Mapping[str, Column]) -> None:
        """Opens a dataset.

        Args:
            columns: those it must have; more may be there.

        Raises:
            MissingError: there is none.
            DataError: it is no such dataset, or an array is missing, of another shape, or larger than any is.
        """
        self.path, self.kind = path, kind
        group, self.about, self._rows = open_group(path, kind)
        found = _arrays_of(path, group)
        for name, column in columns.items():
            if name not in found:
                raise DataError(f"{path}: array {name} is missing", "It is damaged, or no dataset of dexctl.")
            array = found[name]
            if not column.fits(array.dtype, array.shape[1:]):
                got = Column(array.dtype.name, array.shape[1:])
                raise DataError(f"{path}: array {name}: expected {column}, got {got}", "Make it again.")
        self._arrays = found
        self.columns = {
            name: Column(
                array.dtype.name,
                array.shape[1:],
                columns[name].check if name in columns else "finite" if array.dtype.kind == "f" else "",
                array.shards is not None,
            )
            for name, array in found.items()
        }
        for name, array in found.items():
            if array.shape[0] < self._rows:
                raise DataError(
                    f"{path}: array {name} ends at row {array.shape[0]} of {self._rows}", "It was cut: make it again."
                )

    def __len__(self) -> int:
        """Rows that are whole."""
        return self._rows

    def refresh(self) -> int:
        """Looks how many rows are whole by now, while another process writes.

        Raises:
            DataError: the dataset was replaced by something else.
        """
        group, _, rows = open_group(self.path, self.kind)
        if rows != self._rows:
            try:
                self._arrays = {name: array_of(group, name) for name in self._arrays}
            # As in ``_arrays_of``.
            except Exception as error:
                raise DataError(f"{self.path}: its arrays cannot be opened ({error})", "Make it again.") from error
            self._rows = rows
        return self._rows

    def read(self, start: int, stop: int, names: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
        """Reads rows, all columns or the named ones.

        Raises:
            DataError: a row cannot be read, or is not what its column promises; it names dataset, array and row.
        """
        assert 0 <= start <= stop <= self._rows, (start, stop, self._rows)
        rows = {name: self._read_column(name, start, stop) for name in names or self._arrays}
        for name, values in rows.items():
            wrong = first_wrong(self.columns[name], values)
            if wrong:
                raise DataError(
                    f"{self.path}: array {name}, row {start + wrong[0]}: {wrong[1]}", "Make the dataset again."
                )
        return rows

    def _read_column(self, name: str, start: int, stop: int) -> np.ndarray:
        array = self._arrays[name]
        block = (array.shards or array.chunks)[0]
        for index, file in enumerate(block_files(self.path / name, array, start, stop), start // block):
            # Zarr reads a lost file as zeros.
            if not file.is_file():
                raise DataError(
                    f"{self.path}: array {name}, row {max(start, index * block)}: its file is lost", "Make it again."
                )
        try:
            return np.asarray(array[start:stop])
        # Each codec has errors of its own.
        except Exception as error:
            row = start if stop - start <= 1 else self._first_unreadable(array, start, stop)
            raise DataError(
                f"{self.path}: array {name}, row {row}: cannot be read ({error})", "Make it again."
            ) from error

    def _first_unreadable(self, array: zarr.Array, start: int, stop: int) -> int:
        for row in range(start, stop):
            try:
                array[row]
            except Exception:
                return row
        return start

"""Appends rows to a dataset so that a killed process leaves whole blocks."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import zarr
from zarr.codecs import ZstdCodec
from zarr.core.array_spec import ArrayConfig

from dexctl.errors import CreateError, DataError, InputOutputError, TemporaryError
from dexctl.store.rows import (
    ATTRIBUTE,
    VERSION,
    Announce,
    Column,
    Rows,
    announce_nothing,
    array_of,
    block_files,
    open_group,
    sealed,
)
from dexctl.store.whole_file import sync_file, sync_folder, write_whole

_ZSTD_LEVEL = 1
_SYNCING = 8
_CHUNK_BYTES = 512 << 10


class RowWriter:
    """Appends rows to a dataset, new or begun; a context manager that leaves it whole.

    Attributes:
        committed: rows that are readable and safe.
    """

    _lock: int | None = None

    def __init__(
        self,
        path: Path,
        kind: str,
        columns: Mapping[str, Column],
        metadata: Mapping[str, Any],
        block_rows: int,
        announce: Announce = announce_nothing,
    ) -> None:
        """Makes the dataset, or goes on with one of the same kind, columns and metadata.

        Args:
            columns: without any unknown length.
            metadata: what describes the whole, as plain JSON.
            block_rows: rows that become safe together.
            announce: called with the first and last + 1 of rows that became readable.

        Raises:
            CreateError: nothing can be made there, or something else is there already.
            TemporaryError: another process writes it.
        """
        self._path, self._columns, self._block_rows, self._announce = path, columns, block_rows, announce
        self._kind, self._metadata = kind, metadata
        self._pending: list[Rows] = []
        self._num_pending = 0
        if not path.exists():
            self._begin()
        self._lock = _only_writer(path)
        try:
            group = self._go_on()
        except BaseException:
            self._close()
            raise
        # Otherwise a block of zeros would have no file, and look like one that was lost.
        always = ArrayConfig.from_dict({"write_empty_chunks": True})
        self._arrays = {name: array_of(group, name).with_config(always) for name in columns}

    @property
    def pending(self) -> int:
        """Rows taken and not yet safe."""
        return self._num_pending

    def append(self, rows: Rows) -> None:
        """Takes rows, n of every column; whole blocks are written at once.

        Raises:
            InputOutputError: the disk is full or lost.
        """
        assert rows.keys() == self._columns.keys(), sorted(rows.keys() ^ self._columns.keys())
        lengths = {len(values) for values in rows.values()}
        assert len(lengths) == 1, "every column has the same number of rows"
        for name, values in rows.items():
            assert self._columns[name].fits(values.dtype, values.shape[1:]), (name, values.dtype, values.shape)
        self._pending.append(rows)
        self._num_pending += lengths.pop()
        if self.committed % self._block_rows + self._num_pending >= self._block_rows:
            keep = (self.committed + self._num_pending) % self._block_rows
            self._write(self._num_pending - keep)

    def flush(self) -> None:
        """Makes all rows safe that were taken.

        Raises:
            InputOutputError: the disk is full or lost.
        """
        if self._num_pending:
            self._write(self._num_pending)

    def __enter__(self) -> RowWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not isinstance(error, InputOutputError):
                self.flush()
                self._trim()
        finally:
            self._close()

    def __del__(self) -> None:
        self._close()

    def _close(self) -> None:
        """Lets another write."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _begin(self) -> None:
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.part")
        try:
            group = zarr.create_group(store=str(temporary), attributes={ATTRIBUTE: self._about(0)})
            for name, column in self._columns.items():
                tail = tuple(length for length in column.shape if length is not None)
                assert len(tail) == len(column.shape)
                block = (self._block_rows, *tail)
                group.create_array(
                    name,
                    shape=(0, *tail),
                    dtype=column.dtype,
                    chunks=(_chunk_rows(column, self._block_rows), *tail) if column.sharded else block,
                    shards=block if column.sharded else None,
                    # Without it a flipped bit would be read as other numbers.
                    compressors=ZstdCodec(level=_ZSTD_LEVEL, checksum=True),
                    # All files of an array in one folder: fewer names to make safe.
                    chunk_key_encoding={"name": "default", "separator": "."},
                )
            temporary.rename(self._path)
            sync_folder(self._path.parent)
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            raise CreateError(f"{self._path}: {error.strerror}", "Give a place that can be written to.") from error

    def _go_on(self) -> zarr.Group:
        try:
            group, about, self.committed = open_group(self._path, self._kind)
        except DataError as error:
            raise CreateError(f"{self._path}: there is something else already", "Give another place.") from error
        wanted = json.loads(json.dumps(self._metadata))
        if wanted != about:
            differs = sorted(key for key in wanted.keys() | about.keys() if wanted.get(key) != about.get(key))
            raise CreateError(
                f"{self._path}: begun with another {', '.join(differs)}",
                "Give another place, or the options that it was begun with.",
            )
        for name, column in self._columns.items():
            if name not in group or not column.fits(array_of(group, name).dtype, array_of(group, name).shape[1:]):
                raise CreateError(f"{self._path}: begun with another array {name}", "Give another place.")
        return group

    def _write(self, count: int) -> None:
        start, stop = self.committed, self.committed + count
        joined = {name: np.concatenate([rows[name] for rows in self._pending]) for name in self._columns}
        try:
            self._reserve(stop)
            files = []
            for name, array in self._arrays.items():
                array[start:stop] = joined[name][:count]
                files += block_files(self._path / name, array, start, stop)
            # Side by side they take little longer than one.
            with ThreadPoolExecutor(_SYNCING) as threads:
                for _ in threads.map(sync_file, files):
                    pass
            self._commit(stop)
        except OSError as error:
            raise InputOutputError(f"{self._path}: {error.strerror}", "Free some space and run it again.") from error
        self.committed = stop
        self._pending = [{name: values[count:] for name, values in joined.items()}]
        self._num_pending -= count
        self._announce(start, stop)

    def _reserve(self, rows: int) -> None:
        """Makes arrays long enough; twice as long as they were, for that is a file to write for each."""
        for array in self._arrays.values():
            if array.shape[0] < rows:
                array.resize((max(rows, 2 * self.committed), *array.shape[1:]))

    def _trim(self) -> None:
        """Makes arrays as long as there are rows, so that any reader of Zarr sees no others."""
        try:
            for array in self._arrays.values():
                if array.shape[0] > self.committed:
                    array.resize((self.committed, *array.shape[1:]))
        except OSError as error:
            raise InputOutputError(f"{self._path}: {error.strerror}", "Free some space and run it again.") from error

    def _about(self, rows: int) -> dict[str, Any]:
        return sealed({"kind": self._kind, "version": VERSION, **self._metadata, "rows": rows})

    def _commit(self, rows: int) -> None:
        file = self._path / "zarr.json"
        document = json.loads(file.read_bytes())
        document["attributes"][ATTRIBUTE] = self._about(rows)
        write_whole(file, json.dumps(document).encode())


def _only_writer(path: Path) -> int:
    """A lock on a dataset's folder that lasts as long as its descriptor is open.

    Raises:
        CreateError: there is no folder.
        TemporaryError: another process holds it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise CreateError(f"{path}: there is something else already", "Give another place.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if not isinstance(error, BlockingIOError):
            raise CreateError(f"{path}: cannot be locked: {error.strerror}", "Give a place that can be.") from error
        raise TemporaryError(f"{path}: another process writes it", "Wait for it, or give another place.") from None
    return descriptor


def _chunk_rows(column: Column, block_rows: int) -> int:
    """Rows that are compressed together: few enough to read some at random, enough that each is worth the call."""
    tail = [length for length in column.shape if length is not None]
    row_bytes = int(np.prod(tail)) * np.dtype(column.dtype).itemsize
    rows = 1
    while 2 * rows * row_bytes <= _CHUNK_BYTES and block_rows % (2 * rows) == 0:
        rows *= 2
    return rows

"""Rows from another machine and to it: ``tcp://HOST:PORT`` in place of a dataset or of stdin."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
import numpy as np

from dexctl.console import messages
from dexctl.console.events import Events
from dexctl.console.notify import notify_ready, write_endpoint_file
from dexctl.console.output import Output
from dexctl.errors import DataError, ProtocolError, UsageError
from dexctl.profile.schema import Wire
from dexctl.store.rows import Column, first_wrong
from dexctl.wire.arrivals import Refused
from dexctl.wire.endpoint import host_to_bind
from dexctl.wire.keys import server_keys, worker_keys
from dexctl.wire.row_messages import PORTION_BYTES, Dataset, Opened, RowColumn
from dexctl.wire.row_receiver import RowReceiver
from dexctl.wire.row_sender import RowSender

_SCHEME = "tcp://"
_PAIRS = "'dexctl keygen PATH' makes key pairs."

Metadata = TypeVar("Metadata", bound=msgspec.Struct)


def is_endpoint(where: str) -> bool:
    """Whether a source is an endpoint, not a dataset."""
    return where.startswith(_SCHEME)


@dataclasses.dataclass(frozen=True)
class Connecting:
    """How to reach a sender.

    Attributes:
        key, server_key: own secret key, and the sender's public one; both or none.
        timeout_s: how long to wait for its first word.
    """

    key: Path | None = None
    server_key: Path | None = None
    timeout_s: float = 60.0

    def check(self) -> None:
        """Checks that the keys fit together.

        Raises:
            UsageError: there is one without the other.
        """
        if (self.key is None) != (self.server_key is None):
            raise UsageError("tcp:// takes --key and --server-key together", _PAIRS)


@dataclasses.dataclass(frozen=True)
class Binding:
    """Where rows can be fetched; see the options of ``dexctl render``."""

    endpoint: str
    key: Path | None
    allow: Path | None
    insecure: bool
    endpoint_file: Path | None

    def check(self) -> None:
        """Checks what can be without binding.

        Raises:
            UsageError: no endpoint, or a key without its folder.
            RefusedError: off loopback without keys.
        """
        host_to_bind(self.endpoint, self.key, self.insecure)
        if (self.key is None) != (self.allow is None):
            raise UsageError("--bind takes --key and --allow together", _PAIRS)


def read_about(about: bytes, structure: type[Metadata], where: str) -> Metadata:
    """Reads what a sender says of its rows.

    Args:
        about: JSON; where: it comes from, for people.

    Raises:
        ProtocolError: it is none, or of another version.
    """
    try:
        return msgspec.json.decode(about, type=structure)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(
            f"{where}: what describes its rows cannot be read: {error}", "Give both sides one version."
        ) from None


class ReceivedRows(Generic[Metadata]):
    """Rows of one sender, checked as those of a dataset are.

    Attributes:
        endpoint: of the sender; metadata: what describes the rows.
    """

    def __init__(
        self,
        endpoint: str,
        dataset: Dataset,
        columns: Callable[[Metadata], Mapping[str, Column]],
        structure: type[Metadata],
        connecting: Connecting,
    ) -> None:
        """Connects.

        Args:
            columns: what must be there; more may be.

        Raises:
            UsageError, UnavailableError, RefusedError, ProtocolError: see ``RowReceiver``.
            MissingError, DataError: of keys.
        """
        connecting.check()
        keys = worker_keys(connecting.key, connecting.server_key) if connecting.key and connecting.server_key else None
        self.endpoint = endpoint
        self._receiver = RowReceiver(endpoint, dataset, keys, connecting.timeout_s)
        try:
            self.metadata = self._described(columns, structure)
        except BaseException:
            self._receiver.close()
            raise

    def _described(self, columns: Callable[[Metadata], Mapping[str, Column]], structure: type[Metadata]) -> Metadata:
        opened = self._receiver.opened
        about = read_about(opened.about, structure, self.endpoint)
        self._columns = dict(columns(about))
        found = {column.name: column for column in opened.columns}
        for name, column in self._columns.items():
            if name not in found or not column.fits(np.dtype(found[name].dtype), found[name].shape):
                raise ProtocolError(f"{self.endpoint}: no array {name} of {column}", "Give both sides one version.")
        return about

    def portions(self) -> Iterator[tuple[int, dict[str, np.ndarray]]]:
        """Number of the first row, and rows, as they come.

        Raises:
            DataError: a row is not what its column promises.
            UnavailableError, ProtocolError: see ``RowReceiver.portions``.
        """
        for start, rows in self._receiver.portions():
            for name, column in self._columns.items():
                wrong = first_wrong(column, rows[name])
                if wrong:
                    raise DataError(f"{self.endpoint}: array {name}, row {start + wrong[0]}: {wrong[1]}")
            yield start, rows

    def enough(self) -> None:
        """Says that no more is wanted."""
        self._receiver.enough()

    def close(self) -> None:
        """Leaves; whoever waits for rows waits no longer."""
        self._receiver.close()


@contextlib.contextmanager
def sending(
    binding: Binding,
    dataset: Dataset,
    metadata: msgspec.Struct,
    columns: Mapping[str, Column],
    wire: Wire,
    events: Events,
    output: Output,
    stop: Callable[[], bool],
) -> Iterator[RowSender]:
    """Lets rows be fetched; on leaving, waits until all are taken, or tells why they are not.

    Raises:
        UsageError, RefusedError, CreateError: it cannot be bound so.
        UnavailableError: who fetched is gone.
    """
    binding.check()
    opened = _opened(dataset, metadata, columns, wire)
    keys = server_keys(binding.key, binding.allow) if binding.key and binding.allow else None

    def complain(refused: Refused) -> None:
        message = f"{refused.peer} was refused: {refused.reason}"
        messages.warning(message)
        events.emit("warning", message=message, count=refused.count)

    sender = RowSender(binding.endpoint, opened, keys, binding.insecure, complain)
    reason = "it was stopped"
    try:
        events.emit("listening", endpoint=sender.endpoint)
        if binding.endpoint_file:
            write_endpoint_file(binding.endpoint_file, sender.endpoint)
        notify_ready()
        if output.event_stream() is None:
            messages.info(f"{dataset} can be fetched from {sender.endpoint}")
        yield sender
        if not stop():
            sender.finish(stop)
    except BaseException as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise
    finally:
        sender.close(reason)


def _opened(dataset: Dataset, metadata: msgspec.Struct, columns: Mapping[str, Column], wire: Wire) -> Opened:
    assert all(length is not None for column in columns.values() for length in column.shape)
    found = tuple(
        msgspec.convert({"name": name, "dtype": column.dtype, "shape": column.shape}, RowColumn)
        for name, column in columns.items()
    )
    row_bytes = sum(column.row_bytes for column in found)
    if row_bytes > PORTION_BYTES:
        raise UsageError(
            f"a row of {row_bytes} bytes is more than the {PORTION_BYTES} that are sent",
            "Give a smaller --size, or -o.",
        )
    return Opened(
        dataset=dataset,
        about=msgspec.json.encode(metadata),
        columns=found,
        heartbeat_s=wire.heartbeat_s,
        timeout_s=wire.timeout_s,
    )

"""A worker's end of the wire: sends experience, gets parameters."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from dexctl.errors import UnavailableError
from dexctl.profile import schema
from dexctl.wire.endpoint import host_of
from dexctl.wire.keys import WorkerKeys
from dexctl.wire.layout import Layout
from dexctl.wire.messages import SegmentHeader, Welcome
from dexctl.wire.shared import SharedFolder
from dexctl.wire.worker_thread import Dismissed, Orphaned, WorkerThread

__all__ = ["Dismissed", "Orphaned", "Welcome", "WorkerEndpoint"]


class WorkerEndpoint:
    """Connects to one of several optimizers, and stays connected in a thread of its own.

    The methods are for one thread, and raise what ended the connection for good: ``Orphaned``
    (75) after ``wire.orphan_timeout_s`` without a word, ``ProtocolError`` (76) or ``RefusedError``
    (77) when refused, ``Dismissed`` when the training is over.

    Args:
        connect: endpoints; one is chosen at random, and another when it is gone.
        digest: of the profile it has; empty asks for the optimizer's.
        wire: its orphan timeout, and until the welcome its heartbeats and timeouts.
        keys: encrypt.
        timeout_s: how long ``join`` tries.
        name: an id that is kept over restarts; by default a random one.
        layout: of the segments it makes; by default the optimizer's.
        wakeup_fd: a descriptor that interrupts every wait; it is not read here.
        on_wakeup: called when it is readable: it drains it, and may raise what ends the wait; by default
            every wait ends with ``InterruptedError``.
        shared_folder: where parameters are shared with other processes of this host.
    """

    def __init__(
        self,
        connect: Sequence[str],
        digest: str,
        wire: schema.Wire,
        keys: WorkerKeys | None = None,
        timeout_s: float = 60.0,
        name: str | None = None,
        layout: Layout | None = None,
        wakeup_fd: int | None = None,
        on_wakeup: Callable[[], None] | None = None,
        shared_folder: Path | None = None,
    ) -> None:
        for endpoint in connect:
            host_of(endpoint)
        identity = (name or uuid.uuid4().hex, digest, layout.digest if layout else "")
        folder = SharedFolder(shared_folder)
        self._thread = WorkerThread(connect, identity, wire, keys, folder)
        self._timeout_s = timeout_s
        self._wakeup_fd = wakeup_fd
        self._on_wakeup = on_wakeup or _interrupt
        self._layout = layout
        self._taken = ("", 0)
        self._thread.start()

    def join(self) -> Welcome:
        """Wait until an optimizer lets this worker in.

        Returns:
            Index, seed, profile, layout.

        Raises:
            UnavailableError: nobody did in ``timeout_s``.
        """
        self._wait(lambda: self._thread.welcome is not None, self._timeout_s)
        welcome = self._thread.welcome
        if welcome is None:
            raise UnavailableError(
                f"no place at an optimizer in {self._timeout_s:.0f} s: {self._thread.trouble}",
                "Start the optimizer, and check the endpoint.",
            )
        self._layout = welcome.layout
        return welcome

    def parameters(self, wait_for: int | None = None) -> tuple[int, dict[str, np.ndarray]] | None:
        """The newest parameters, if they are newer than those taken before.

        Args:
            wait_for: wait until there is this version or a newer one.

        Returns:
            Version and arrays by name, or None. The arrays are views of memory that is shared with
            other processes until it is written to.
        """
        download = self._thread.download
        if wait_for is not None:
            wanted = wait_for
            self._wait(lambda: download.edition is not None and download.edition.version >= wanted)
        self._check()
        edition = download.edition
        if edition is None or (edition.instance, edition.version) == self._taken:
            return None
        self._taken = (edition.instance, edition.version)
        self._thread.used_version = edition.version
        return edition.version, edition.parameters

    def send(
        self,
        version: int,
        arrays: Mapping[str, np.ndarray],
        report: Mapping[str, float] | None = None,
    ) -> bool:
        """Send one segment; waits for a credit.

        Args:
            version: of the policy that acted.
            arrays: those of the layout, C-contiguous. They are taken over: they are made read-only,
                sent without a copy, and kept until the optimizer has taken them.
            report: numbers to go with it, finite.

        Returns:
            False when the version is one that a restarted optimizer has lost: then the segment
            is dropped.

        Raises:
            ValueError: the arrays are not those of the layout, or the report is not finite.
        """
        if self._layout is None:
            raise ValueError("send before join")
        if not all(math.isfinite(value) for value in (report or {}).values()):
            raise ValueError(f"a report with a number that is not finite: {report}")
        frames = self._layout.frames(arrays)
        for array in arrays.values():
            array.flags.writeable = False
        self._wait(lambda: self._thread.room)
        welcome = self._thread.welcome
        if welcome is None or version > max(welcome.version, self._thread.download.announced):
            return False
        header = partial(_header, self._layout, version, dict(report or {}))
        self._thread.hand_over(header, frames)
        return True

    @property
    def connected(self) -> bool:
        """Whether an optimizer has let it in and still answers."""
        return self._thread.joined

    def close(self) -> None:
        """Say goodbye; segments that are not acknowledged are given up."""
        self._thread.stop()
        self._thread.join(timeout=5.0)
        self._thread.bell.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check(self) -> None:
        if self._thread.ended is not None:
            raise self._thread.ended

    def _wait(self, ready: Callable[[], bool], timeout_s: float = math.inf) -> None:
        deadline_s = time.monotonic() + timeout_s
        while True:
            self._check()
            left_s = deadline_s - time.monotonic()
            if ready() or left_s <= 0:
                return
            # The bell rings when something changes; the limit is for a thread that has ended.
            if self._thread.bell.wait(min(left_s, 1.0), self._wakeup_fd):
                self._on_wakeup()


def _interrupt() -> None:
    raise InterruptedError("woken by a signal")


def _header(layout: Layout, version: int, report: dict[str, float], worker: str, sequence: int) -> SegmentHeader:
    return SegmentHeader(
        worker=worker,
        sequence=sequence,
        version=version,
        environments=layout.environments,
        steps=layout.steps,
        report=report,
    )

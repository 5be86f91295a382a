"""Several processes that draw at once, and hand rows back in the order that they were asked for."""

from __future__ import annotations

import queue
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from types import TracebackType
from typing import Any

import msgspec
import numpy as np

from dexctl.errors import TemporaryError, UnavailableError
from dexctl.profile import schema
from dexctl.store.rows import Column
from dexctl.vision.rendering.ahead import Ahead
from dexctl.vision.rendering.frames import read_frame, write_frame
from dexctl.vision.rendering.renderer import Kind

_TURN_S = 0.2
_AHEAD = 2
_COMMAND = (sys.executable, "-m", "dexctl.vision.rendering.worker")

Task = dict[str, np.ndarray]


class Crew:
    """Processes that draw; a context manager that ends them.

    Attributes:
        device: what draws.
        appearance: columns of what is drawn for each row.
    """

    def __init__(self, kind: Kind, profile: schema.Profile, size_px: int, seed: int, workers: int) -> None:
        """Starts the processes and waits until each can draw.

        Raises:
            UnavailableError: this machine cannot draw so.
        """
        self._processes = [
            subprocess.Popen(_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
            for _ in range(workers)
        ]
        self._threads = ThreadPoolExecutor(workers, "draw")
        self._free: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
        first = {"profile": msgspec.to_builtins(profile), "renderer": kind, "size_px": size_px, "seed": seed}
        try:
            for process in self._processes:
                _send(process, first, {})
            answers = [_receive(process)[0] for process in self._processes]
            for about in answers:
                if "error" in about:
                    raise UnavailableError(about["error"], about["remedy"])
        except BaseException:
            self._end()
            raise
        for process in self._processes:
            self._free.put(process)
        about = answers[0]
        self.device: str = about["device"]
        self.appearance = {name: msgspec.convert(column, Column) for name, column in about["appearance"].items()}

    def draw(self, tasks: Iterator[Task], stop: Callable[[], bool]) -> Iterator[dict[str, np.ndarray]]:
        """Draws tasks as ``Drawing.rows`` takes them, a few ahead, and yields rows in their order.

        Args:
            stop: asked again and again; when true, what was begun is finished and nothing more begun.

        Raises:
            TemporaryError: a process died.
            Exception: what ``tasks`` raised, once all tasks before it are drawn.
        """
        begun: deque[Future[dict[str, np.ndarray]]] = deque()
        most = _AHEAD * len(self._processes)
        failed: Exception | None = None
        with Ahead(tasks, most) as ahead:
            while not (ahead.over or stop()) or begun:
                try:
                    while len(begun) < most and not stop() and (task := ahead.take(wait=not begun)) is not None:
                        begun.append(self._threads.submit(self._one, task))
                # What came before it is drawn all the same.
                except Exception as error:
                    failed = error
                if begun:
                    try:
                        rows = begun[0].result(_TURN_S)
                    except FutureTimeout:
                        continue
                    begun.popleft()
                    yield rows
        if failed is not None:
            raise failed

    def __enter__(self) -> Crew:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _one(self, task: Task) -> dict[str, np.ndarray]:
        process = self._free.get()
        try:
            _send(process, {}, task)
            return _receive(process)[1]
        finally:
            self._free.put(process)

    def _end(self) -> None:
        for process in self._processes:
            process.kill()
        self._threads.shutdown()
        for process in self._processes:
            process.communicate()


def _send(process: subprocess.Popen[bytes], about: dict[str, Any], arrays: Task) -> None:
    assert process.stdin is not None
    try:
        write_frame(process.stdin, about, arrays)  # pyright: ignore[reportArgumentType]
    except OSError as error:
        raise _died(process) from error


def _receive(process: subprocess.Popen[bytes]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    assert process.stdout is not None
    try:
        return read_frame(process.stdout)  # pyright: ignore[reportArgumentType]
    except EOFError as error:
        raise _died(process) from error


def _died(process: subprocess.Popen[bytes]) -> TemporaryError:
    return TemporaryError(
        f"a process that draws died with code {process.wait()}", "Run it again: it goes on where it stopped."
    )

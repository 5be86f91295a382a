"""An iterator that runs in a thread of its own, so that waiting for it keeps nobody from other work."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Generic, TypeVar

Item = TypeVar("Item")
_TURN_S = 0.2


class _End:
    """What follows the last item."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Ahead(Generic[Item]):
    """Items of an iterator as they come; a context manager that lets the iterator go.

    Attributes:
        over: whether the last item was taken.
    """

    def __init__(self, items: Iterator[Item], most: int) -> None:
        """Prepares; reading begins on entering.

        Args:
            most: items that may wait to be taken.
        """
        self.over = False
        self._items = items
        self._queue: queue.Queue[Item | _End] = queue.Queue(most)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._read, name="ahead", daemon=True)

    def take(self, wait: bool) -> Item | None:
        """The next item; None when none is there yet, even after a short wait, or none is left.

        Raises:
            Exception: what the iterator raised, once all before it is taken.
        """
        if self.over:
            return None
        try:
            item = self._queue.get(wait, _TURN_S)
        except queue.Empty:
            return None
        if not isinstance(item, _End):
            return item
        self.over = True
        if item.error is not None:
            raise item.error
        return None

    def __enter__(self) -> Ahead[Item]:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()

    def _read(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                if not self._put(item):
                    return
        # Whatever went wrong is for the one who takes.
        except BaseException as wrong:
            error = wrong
        self._put(_End(error))

    def _put(self, item: Item | _End) -> bool:
        while not self._closed.is_set():
            try:
                self._queue.put(item, timeout=_TURN_S)
            except queue.Full:
                continue
            return True
        return False

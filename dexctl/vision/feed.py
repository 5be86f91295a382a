"""Batches for learning, from a dataset that is read over and over or from renderers at work.

A thread reads ahead. What it reads goes into a pool, which is shuffled and handed out in batches: rows
that follow each other show nearly the same.
"""

from __future__ import annotations

import dataclasses
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType

import numpy as np
import torch

from dexctl.store.images import APPEARANCE, LEARNED_FROM, Images
from dexctl.vision.learner import Pictures

CAMERA = ("camera_position_m", "camera_quaternion_wxyz", "camera_fov_deg")
READ = (*LEARNED_FROM, *(f"{APPEARANCE}{name}" for name in CAMERA))
# Rows of a read, and batches that are mixed: enough that neighbours part, little enough for memory.
_PORTION = 256
_MIXED_BATCHES = 16
# Portions that are read ahead.
_AHEAD = 2
_TURN_S = 0.2


def read_pictures(images: Images, start: int, stop: int) -> Pictures:
    """Reads rows to learn from.

    Raises:
        DataError: a row cannot be read, or is not what it should be.
    """
    rows = images.read(start, stop, READ)
    return Pictures(*(rows[name] for name in READ))


def shuffled(datasets: Sequence[Images], seed: int) -> Iterator[Pictures]:
    """Portions of datasets in random order, over and over, each in every round once; never ends.

    A round begins with what is readable then: a renderer may be adding to them.

    Raises:
        DataError: a row cannot be read.
    """
    generator = torch.Generator().manual_seed(seed)
    while True:
        portions = [
            (images, start, min(start + _PORTION, images.refresh()))
            for images in datasets
            for start in range(0, images.refresh(), _PORTION)
        ]
        for index in torch.randperm(len(portions), generator=generator).tolist():
            yield read_pictures(*portions[index])


def in_portions(images: Images, start: int, stop: int) -> Iterator[Pictures]:
    """Rows in order, a portion at a time.

    Raises:
        DataError: a row cannot be read.
    """
    for first in range(start, stop, _PORTION):
        yield read_pictures(images, first, min(first + _PORTION, stop))


class Feed:
    """Batches from an iterator of pictures that runs in a thread of its own; a context manager.

    Attributes:
        waited_s: that learning waited for pictures; held_s: that pictures waited to be learned from.
    """

    def __init__(self, portions: Iterator[Pictures], batch: int, seed: int) -> None:
        """Prepares to read.

        Args:
            portions: where pictures come from; its error is raised by ``take`` after what came before it.
            batch: states of each batch.
            seed: of the order.
        """
        self.waited_s = self.held_s = 0.0
        self._portions, self._batch = portions, batch
        self._generator = np.random.default_rng(seed)
        self._ahead: queue.Queue[Pictures | BaseException | None] = queue.Queue(_AHEAD)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._read, name="feed", daemon=True)
        self._pool: list[Pictures] = []
        self._shuffled: Pictures | None = None
        self._next = 0
        self._over = False
        self._failure: BaseException | None = None

    def take(self, stop: Callable[[], bool] = lambda: False) -> Pictures | None:
        """The next batch; None when no whole one is left, or when asked to stop.

        Args:
            stop: asked while waiting.

        Raises:
            DexctlError: as the iterator of pictures says.
        """
        while self._left() < self._batch:
            if not self._refill(stop):
                if self._failure is not None and not stop():
                    raise self._failure
                return None
        assert self._shuffled is not None
        picked = slice(self._next, self._next + self._batch)
        self._next += self._batch
        return _rows(self._shuffled, picked)

    def __enter__(self) -> Feed:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        # A thread that waits for its source, a quiet pipe say, ends with the process.
        self._thread.join(timeout=2 * _TURN_S)

    def _left(self) -> int:
        return len(self._shuffled) - self._next if self._shuffled is not None else 0

    def _refill(self, stop: Callable[[], bool]) -> bool:
        """Mixes what is left of the pool with new portions; false when that makes no batch."""
        if self._shuffled is not None and self._left():
            self._pool.append(_rows(self._shuffled, slice(self._next, None)))
        self._shuffled = None
        enough = self._batch * _MIXED_BATCHES
        while sum(map(len, self._pool)) < enough and not self._over:
            portion = self._wait(stop)
            if portion is None:
                break
            self._pool.append(portion)
        if stop() or sum(map(len, self._pool)) < self._batch:
            return False
        whole = _joined(self._pool)
        self._pool = []
        self._shuffled, self._next = _rows(whole, self._generator.permutation(len(whole))), 0
        return True

    def _wait(self, stop: Callable[[], bool]) -> Pictures | None:
        started = time.perf_counter()
        try:
            while not stop():
                try:
                    found = self._ahead.get(timeout=_TURN_S)
                except queue.Empty:
                    continue
                if isinstance(found, Pictures):
                    return found
                # What came before a failure is learned from first.
                self._over, self._failure = True, found
                return None
            return None
        finally:
            self.waited_s += time.perf_counter() - started

    def _read(self) -> None:
        try:
            for portion in self._portions:
                if not self._put(portion):
                    return
            self._put(None)
        # Whatever went wrong is for the one who takes.
        except BaseException as error:
            self._put(error)

    def _put(self, item: Pictures | BaseException | None) -> bool:
        while not self._closed.is_set():
            started = time.perf_counter()
            try:
                self._ahead.put(item, timeout=_TURN_S)
                return True
            except queue.Full:
                continue
            finally:
                self.held_s += time.perf_counter() - started
        return False


def _rows(pictures: Pictures, index: slice | np.ndarray) -> Pictures:
    return Pictures(*(getattr(pictures, field.name)[index] for field in dataclasses.fields(Pictures)))


def _joined(parts: list[Pictures]) -> Pictures:
    return Pictures(
        *(np.concatenate([getattr(part, field.name) for part in parts]) for field in dataclasses.fields(Pictures))
    )

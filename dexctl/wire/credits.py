"""How many segments each worker may send, so that the optimizer's memory is bounded."""

from __future__ import annotations

from collections import Counter, OrderedDict


class Credits:
    """Hands out the right to send a segment, one to each worker in its turn.

    A segment holds its credit from the grant until it is acknowledged. A worker that is slow, or
    hangs, keeps what it was granted: where there is not enough for all, none gets more than its
    part, so that those that hang leave the others theirs.

    Args:
        each: segments a worker may have granted, on their way or not acknowledged.
        total: the same for all workers together; at least one.

    Attributes:
        together: so many that are free again are worth a message.
    """

    def __init__(self, each: int, total: int) -> None:
        self._each, self._total = each, max(1, total)
        # Every message wakes four threads; a worker that has most of its credits can wait for the rest.
        self.together = max(1, min(each, total) // 4)
        self._free = self._total
        self._granted: Counter[str] = Counter()
        self._arrived: Counter[str] = Counter()
        self._part = each
        self._waiting: OrderedDict[str, None] = OrderedDict()

    def join(self, worker: str) -> None:
        """A worker comes, or comes back: it waits for as many grants as it may have."""
        self.leave(worker)
        self._granted[worker] = 0
        self._divide()
        self._queue(worker)

    def leave(self, worker: str) -> None:
        """A worker goes: what it was granted is free again, what has arrived is not."""
        self._free += self._granted.pop(worker, 0)
        self._waiting.pop(worker, None)
        self._divide()

    def holds(self, worker: str) -> bool:
        """Whether a worker may send a segment that it has not sent."""
        return self._granted[worker] > 0

    def arrive(self, worker: str) -> bool:
        """A segment came; whether its worker had a credit for it."""
        if not self._granted[worker]:
            return False
        self._granted[worker] -= 1
        self._arrived[worker] += 1
        return True

    def acknowledge(self, worker: str) -> None:
        """A segment was taken: its credit is free, and its worker queues for another."""
        self._arrived[worker] -= 1
        if not self._arrived[worker]:
            del self._arrived[worker]
        self._free += 1
        self._queue(worker)

    def grant(self) -> dict[str, int]:
        """New grants by worker."""
        grants: Counter[str] = Counter()
        while self._free and self._waiting:
            worker, _ = self._waiting.popitem(last=False)
            grants[worker] += 1
            self._granted[worker] += 1
            self._free -= 1
            self._queue(worker)
        return dict(grants)

    def _divide(self) -> None:
        part = min(self._each, max(1, self._total // max(1, len(self._granted))))
        if part == self._part:
            return
        self._part = part
        for worker in list(self._waiting):
            if not self._may_have_more(worker):
                del self._waiting[worker]
        for worker in self._granted:
            self._queue(worker)

    def _queue(self, worker: str) -> None:
        if worker in self._granted and self._may_have_more(worker):
            self._waiting.setdefault(worker)

    def _may_have_more(self, worker: str) -> bool:
        return self._granted[worker] + self._arrived[worker] < self._part

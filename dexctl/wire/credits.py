"""How many segments each worker may send, so that the optimizer's memory is bounded."""

from __future__ import annotations

from collections import Counter, deque


class Credits:
    """Hands out the right to send a segment, each worker in its turn.

    A segment holds its credit from the grant until it is acknowledged.

    Args:
        each: segments a worker may have granted, on their way or not acknowledged.
        total: the same for all workers together; at least one.

    Attributes:
        together: so many that are free again are worth a message.
    """

    def __init__(self, each: int, total: int) -> None:
        self._each = each
        # Every message wakes four threads; a worker that has most of its credits can wait for the rest.
        self.together = max(1, min(each, total) // 4)
        self._free = max(1, total)
        self._granted: Counter[str] = Counter()
        self._arrived: Counter[str] = Counter()
        self._waiting: deque[str] = deque()

    def join(self, worker: str) -> None:
        """A worker comes, or comes back: it waits for as many grants as it may have."""
        self.leave(worker)
        self._granted[worker] = 0
        self._waiting.extend([worker] * (self._each - self._arrived[worker]))

    def leave(self, worker: str) -> None:
        """A worker goes: what it was granted is free again, what has arrived is not."""
        self._free += self._granted.pop(worker, 0)
        self._waiting = deque(other for other in self._waiting if other != worker)

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
        if worker in self._granted:
            self._waiting.append(worker)

    def grant(self) -> dict[str, int]:
        """New grants by worker."""
        grants: Counter[str] = Counter()
        while self._free and self._waiting:
            worker = self._waiting.popleft()
            grants[worker] += 1
            self._granted[worker] += 1
            self._free -= 1
        return dict(grants)

"""What an optimizer hears from its workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dexctl.wire.messages import SegmentHeader

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Segment:
    """Experience of one worker, checked.

    Attributes:
        worker: index of the worker.
        incarnation: of its process.
        arrays: those of the layout; they lie in the received frames and are this segment's own. From
            environments of the optimizer's own process, tensors where physics has its state.
    """

    worker: int
    incarnation: int
    header: SegmentHeader
    arrays: Mapping[str, np.ndarray] | Mapping[str, Tensor]


@dataclass(frozen=True)
class Joined:
    """A worker came, or came back; always before its segments, and never twice without a ``Lost``."""

    worker: int
    name: str
    host: str
    pid: int


@dataclass(frozen=True)
class Lost:
    """A worker went, fell silent, or was cut off."""

    worker: int
    name: str
    reason: str


@dataclass(frozen=True)
class Refused:
    """Somebody was turned away, ``count`` times since it was last reported."""

    peer: str
    reason: str
    count: int = 1


@dataclass(frozen=True)
class Woken:
    """The wakeup descriptor became readable, or somebody called ``wake``."""


Arrival = Segment | Joined | Lost | Refused | Woken


class Complaints:
    """Refusals, put together so that a flood of them stays a few lines."""

    INTERVAL_S = 10.0
    KEPT = 64

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}
        self._reported_s: dict[tuple[str, str], float] = {}

    def note(self, peer: str, reason: str) -> None:
        """Somebody was refused; ``peer`` is a worker's name or an address without its port."""
        key = (peer, reason)
        if key not in self._counts and len(self._counts) + len(self._reported_s) >= self.KEPT:
            key = ("others", "more peers were refused than are listed")
        self._counts[key] = self._counts.get(key, 0) + 1

    def due(self, now_s: float) -> list[Refused]:
        """What to report now: new ones at once, repeated ones every ten seconds."""
        self._reported_s = {key: at for key, at in self._reported_s.items() if now_s - at < self.INTERVAL_S}
        ready = [key for key in self._counts if key not in self._reported_s]
        self._reported_s.update(dict.fromkeys(ready, now_s))
        return [Refused(*key, self._counts.pop(key)) for key in ready]

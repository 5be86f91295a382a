"""Where training has its experience from and leaves its policy, as ``Training`` sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from dexctl.wire.arrivals import Arrival, Segment
from dexctl.wire.messages import WorkerView


class Experience(Protocol):
    """Workers over the wire (``wire/optimizer.py``), or environments of this process (``rollout/own_worker.py``)."""

    endpoint: str
    """Where workers connect; empty where none can."""

    def publish(self, version: int, parameters: Mapping[str, np.ndarray]) -> None:
        """Offers newer parameters (float32 arrays of any shape, by name)."""
        ...

    def receive(self, timeout_s: float, wakeup_fd: int | None = None) -> list[Arrival]:
        """What arrived, or nothing; ``Woken`` last where the descriptor ended the wait."""
        ...

    def acknowledge(self, segment: Segment) -> None:
        """The segment has been taken."""
        ...

    def wake(self) -> None:
        """Ends a wait of ``receive``, from any thread."""
        ...

    def workers(self) -> list[WorkerView]:
        """Living workers, by index."""
        ...

    def dismiss(self, reason: str) -> None:
        """The training is over."""
        ...

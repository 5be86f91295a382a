"""A worker in the optimizer's own process: it collects whenever training asks for experience.

Nothing is sent and nobody waits. Experience stays where physics has its state, on a GPU in the GPU's
own memory; weights, once an update, pass through the host's.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dexctl.policy.weights import from_arrays
from dexctl.profile import schema
from dexctl.rollout.collector import Collector
from dexctl.wire.arrivals import Arrival, Joined, Segment, Woken
from dexctl.wire.messages import SegmentHeader, WorkerView

NAME = "own"


class OwnWorker:
    """An ``Experience`` (``ppo/experience.py``) that lives the episodes of worker 0."""

    def __init__(self, profile: schema.Profile, dump_folder: Path | None = None) -> None:
        """Its environments are built when the first policy is published.

        Args:
            dump_folder: where a failing simulation is written down.
        """
        self.endpoint = ""
        self._profile, self._dump_folder = profile, dump_folder
        self._collector: Collector | None = None
        self._version = 0
        self._segments = 0
        self._joined_s = 0.0

    def publish(self, version: int, parameters: Mapping[str, np.ndarray]) -> None:
        """Acts with these from now on.

        Raises:
            ProtocolError: they are of another network.
        """
        if self._collector is None:
            seed = self._profile.run.seed
            self._collector = Collector(self._profile, seed, 0, self._dump_folder, updates=version - 1)
        from_arrays(self._collector.actor, parameters)
        self._version = version

    def receive(self, timeout_s: float, wakeup_fd: int | None = None) -> list[Arrival]:
        """Collects one segment, however long that takes, unless the descriptor is readable already."""
        if not self._joined_s:
            self._joined_s = time.monotonic()
            return [Joined(0, NAME, socket.gethostname(), os.getpid())]
        if wakeup_fd is not None and select.select([wakeup_fd], [], [], 0)[0]:
            return [Woken()]
        collector = self._collector
        assert collector is not None
        segment = collector.collect_in_place()
        self._segments += 1
        header = SegmentHeader(
            worker=NAME,
            sequence=self._segments,
            version=self._version,
            environments=collector.layout.environments,
            steps=collector.layout.steps,
            report=collector.report(),
        )
        return [Segment(0, 0, header, segment)]

    def acknowledge(self, segment: Segment) -> None:
        """Nobody waits for it."""

    def wake(self) -> None:
        """It never waits."""

    def workers(self) -> list[WorkerView]:
        """Itself."""
        if self._collector is None or not self._joined_s:
            return []
        layout = self._collector.layout
        steps = self._segments * layout.steps * layout.environments
        return [
            WorkerView(
                worker=0,
                name=NAME,
                host=socket.gethostname(),
                pid=os.getpid(),
                address="",
                silent_s=0.0,
                segments=self._segments,
                steps_per_s=steps / max(time.monotonic() - self._joined_s, 1e-9),
                version=self._version,
                staleness=0,
            )
        ]

    def dismiss(self, reason: str) -> None:
        """It ends with the process."""

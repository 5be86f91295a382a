"""What a training command was asked for, and which of its processes this one is."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dexctl.errors import UsageError

if TYPE_CHECKING:
    from dexctl.wire.keys import ServerKeys


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a training command was asked for.

    Attributes:
        workers: to start on this machine; worker_options: more of their command line.
        seconds, steps: when to stop, None for never.
        fused: simulate in the optimizer's process, without workers.
        start_from: a run or checkpoint whose networks a new run begins with.
    """

    workers: int
    worker_options: tuple[str, ...]
    sync: bool
    bind: str
    keys: ServerKeys | None
    insecure: bool
    endpoint_file: Path | None
    start_from: Path | None
    fused: bool
    seconds: float | None
    steps: int | None
    tensorboard: bool


@dataclasses.dataclass(frozen=True)
class Place:
    """Which of the optimizer processes this one is.

    Attributes:
        rank, count: among all of them; rank 0 keeps the run folder.
        local_rank, local_count: among those on this machine.
        started: whether somebody else started this process as one of several.
    """

    rank: int
    count: int
    local_rank: int
    local_count: int
    started: bool

    def bind(self, endpoint: str) -> str:
        """Where this process binds: a port of its own, counted up from the one that was asked for."""
        port = urlsplit(endpoint).port
        return f"{endpoint.rpartition(':')[0]}:{port + self.local_rank}" if port else endpoint

    def indices(self) -> range:
        """Of its workers: no other process gives the same."""
        return range(self.rank, 1 << 30, self.count)

    def sync_workers(self, workers: int) -> int:
        """How many of the workers on this machine are dealt to this process."""
        return len(range(self.local_rank, workers, self.local_count))


def place(processes: int, environment: Mapping[str, str] = os.environ) -> Place:
    """This process's place.

    Args:
        processes: how many were asked for on the command line.

    Raises:
        UsageError: torchrun started another number.
    """
    if "RANK" not in environment or "WORLD_SIZE" not in environment:
        return Place(0, processes, 0, processes, False)
    rank, count = int(environment["RANK"]), int(environment["WORLD_SIZE"])
    if processes not in (1, count):
        raise UsageError(
            f"--processes {processes} where {count} were started together", "Leave --processes to torchrun."
        )
    local_count = int(environment.get("LOCAL_WORLD_SIZE", count))
    return Place(rank, count, int(environment.get("LOCAL_RANK", rank)), local_count, True)

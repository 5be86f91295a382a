"""The optimizer processes of one training: started here or by torchrun, and how they find one another."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from torch.distributed.distributed_c10d import PrefixStore
from torch.distributed.rendezvous import rendezvous

from dexctl.console.signals import Signals
from dexctl.console.training_plan import Place
from dexctl.errors import TemporaryError
from dexctl.ppo.peers import PATIENCE, Alone, Peers, joined

# Tells a process started here where to meet the others; torchrun has an address for that.
_RENDEZVOUS = "DEXCTL_RENDEZVOUS"
_LOOK_S = 0.1
_LEAVE_S = 5.0


@dataclasses.dataclass(frozen=True)
class Company:
    """All optimizer processes, once they have found one another.

    Attributes:
        learning, meeting: two sets of connections between them.
        endpoints: by rank.
    """

    learning: Peers
    meeting: Peers
    endpoints: tuple[str, ...]


@contextlib.contextmanager
def company(place: Place, endpoint: str, log_folder: Path, signals: Signals, device: torch.device) -> Iterator[Company]:
    """Starts the other processes unless they are there, and waits for them.

    Args:
        endpoint: that this process has bound.
        log_folder: where processes started here write what they say.
        device: where this process learns.

    Raises:
        TemporaryError: one of them ended, or does not come.
        Stopped: a signal.
    """
    if place.count == 1:
        yield Company(Alone(), Alone(), (endpoint,))
        return
    with contextlib.ExitStack() as stack:
        address, others = os.environ.get(_RENDEZVOUS, "env://"), None
        if not place.started:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="dexctl-"))
            address = f"file://{folder}/store"
            others = stack.enter_context(_Others(place.count, address, log_folder))
        if address != "env://":
            # All on this machine: their connections need not be seen by others.
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        store, _, _ = next(rendezvous(address, place.rank, place.count))
        store.set(f"endpoint {place.rank}", endpoint)
        keys = [f"endpoint {rank}" for rank in range(place.count)]
        deadline_s = time.monotonic() + PATIENCE.total_seconds()
        while not store.check(keys):
            if others:
                others.check()
            if time.monotonic() > deadline_s:
                raise TemporaryError("not all optimizer processes came", "Look at what the others say.")
            signals.wait(_LOOK_S)
            signals.raise_if_stopped()
        learning = stack.enter_context(joined(PrefixStore("dexctl", store), place.rank, place.count, device))
        yield Company(learning, learning.again(), tuple(store.get(key).decode() for key in keys))


class _Others:
    """Ranks 1 and up, started with this process's command line; leave the context and they are gone."""

    def __init__(self, count: int, address: str, log_folder: Path) -> None:
        log_folder.mkdir(parents=True, exist_ok=True)
        self._logs = {rank: log_folder / f"process-{rank}.log" for rank in range(1, count)}
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        for rank, log in self._logs.items():
            places = {"RANK": rank, "WORLD_SIZE": count, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": count}
            environment = {**os.environ, **{name: str(value) for name, value in places.items()}, _RENDEZVOUS: address}
            with open(log, "ab") as file:
                # A group of its own: Ctrl-C is the first process's, which tells the others itself.
                self._processes[rank] = subprocess.Popen(
                    [sys.executable, "-m", "dexctl", *sys.argv[1:]],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=file,
                    process_group=0,
                )

    def check(self) -> None:
        """Raises TemporaryError when one of them has ended."""
        for rank, process in self._processes.items():
            if process.poll() is not None:
                raise TemporaryError(
                    f"optimizer process {rank} ended with status {process.returncode}",
                    f"{self._logs[rank]} tells why; run the same command again to resume.",
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        deadline_s = time.monotonic() + _LEAVE_S
        for process in self._processes.values():
            if error:
                process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline_s - time.monotonic()))
            process.kill()
            process.wait()

"""The optimizer processes of one training: what they add up, average, hand round and agree on.

Every method of ``Group`` is called by all processes, in the same order. Nothing is pickled: what
travels is tensors, and bytes as tensors. Each goes the way that suits where it lies: gradients and
sums on a GPU over NCCL, everything else over gloo.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import ProcessGroup, Store

from dexctl.errors import TemporaryError
from dexctl.policy.normalization import RunningNormalization, Statistics

# D size of what is normalized, P processes.

# No step between two meetings of the processes takes so long, so whoever is late by it is gone.
PATIENCE = datetime.timedelta(seconds=120)


class Peers(Protocol):
    """One process of ``count``, by its ``rank``."""

    rank: int
    count: int

    def counts(self, mine: int) -> list[int]:
        """A number of each process, by rank."""
        ...

    def total(self, numbers: Tensor) -> Tensor:
        """Sums over the processes, element by element, of numbers (...); as (...)."""
        ...

    def moments(self, parts: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Mean () and standard deviation () of each part (...), over what all processes have of it."""
        ...

    def pooled(self, statistics: Sequence[Statistics], size: int) -> list[Statistics]:
        """What all processes saw, in the same order everywhere; ``size`` is D."""
        ...

    def add_gradients(self, parameters: Sequence[Tensor], stop: bool) -> bool:
        """Replaces gradients, each of its parameter's shape, by their sums, None being zero; whether any stops."""
        ...

    def handed_round(self, content: bytes) -> bytes:
        """The content of rank 0, everywhere."""
        ...

    def collected(self, content: bytes) -> list[bytes]:
        """The contents of all, by rank."""
        ...


class Alone:
    """A single process: all it has is its own."""

    rank, count = 0, 1

    def counts(self, mine: int) -> list[int]:
        """Its own number."""
        return [mine]

    def total(self, numbers: Tensor) -> Tensor:
        """Its own numbers (...)."""
        return numbers

    def moments(self, parts: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Mean () and standard deviation () of each part (...)."""
        return [(part.mean(), part.std(correction=0)) for part in parts]

    def pooled(self, statistics: Sequence[Statistics], size: int) -> list[Statistics]:
        """What it saw."""
        return list(statistics)

    def add_gradients(self, parameters: Sequence[Tensor], stop: bool) -> bool:
        """Nothing to add."""
        return stop

    def handed_round(self, content: bytes) -> bytes:
        """Its own content."""
        return content

    def collected(self, content: bytes) -> list[bytes]:
        """Its own content."""
        return [content]


class Group:
    """Processes joined by ``torch.distributed``."""

    def __init__(self, rank: int, count: int, group: ProcessGroup | None) -> None:
        """Wraps a group of ``torch.distributed``, None for that of all processes."""
        self.rank, self.count = rank, count
        self._group = group

    def again(self) -> Group:
        """The same processes over connections of their own, for another thread and what lies in the host's memory."""
        with _all_there():
            group = dist.new_group(timeout=PATIENCE, backend="gloo")
        assert isinstance(group, ProcessGroup)
        return Group(self.rank, self.count, group)

    def counts(self, mine: int) -> list[int]:
        """A number of each process, by rank."""
        return [int(number) for number in self._gathered(torch.tensor([mine]))]

    def total(self, numbers: Tensor) -> Tensor:
        """Sums over the processes, element by element, of numbers (...); as (...)."""
        summed = numbers.clone()
        with _all_there():
            dist.all_reduce(summed, group=self._group)
        return summed

    def moments(self, parts: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Mean () and standard deviation () of each part (...), over what all processes have of it."""
        rows = []
        for part in parts:
            wide = part.double()
            rows.append(torch.stack((wide.new_tensor(float(part.numel())), wide.sum(), wide.square().sum())))
        sums = torch.stack(rows)
        with _all_there():
            dist.all_reduce(sums, group=self._group)
        mean = sums[:, 1] / sums[:, 0]
        std = (sums[:, 2] / sums[:, 0] - mean.square()).clamp_min(0.0).sqrt()
        return list(zip(mean.float().unbind(), std.float().unbind(), strict=True))

    def pooled(self, statistics: Sequence[Statistics], size: int) -> list[Statistics]:
        """What each process saw, by rank."""
        own = RunningNormalization(size, 1.0).to("cpu")
        for seen in statistics:
            own.merge(*seen)
        row = torch.cat((own.count.unsqueeze(0), own.mean.double(), own.variance.double()))
        parts = [part.split((1, size, size)) for part in self._gathered(row)]
        return [
            Statistics(mean.float(), variance.float(), float(count)) for count, mean, variance in parts if count > 0
        ]

    def add_gradients(self, parameters: Sequence[Tensor], stop: bool) -> bool:
        """Replaces gradients, each of its parameter's shape, by their sums, None being zero; whether any stops."""
        pieces = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flag = pieces[0].new_full((1,), float(stop))
        flat = torch.cat([piece.flatten() for piece in (*pieces, flag)])
        with _all_there():
            dist.all_reduce(flat, group=self._group)
        *sums, stops = flat.split([piece.numel() for piece in (*pieces, flag)])
        for parameter, piece in zip(parameters, sums, strict=True):
            parameter.grad = piece.view_as(parameter)
        return bool(stops > 0)

    def handed_round(self, content: bytes) -> bytes:
        """The content of rank 0, everywhere."""
        size = torch.tensor([len(content)])
        with _all_there():
            dist.broadcast(size, 0, group=self._group)
            block = _block(content, int(size)) if self.rank == 0 else torch.empty(int(size), dtype=torch.uint8)
            dist.broadcast(block, 0, group=self._group)
        return block.numpy().tobytes()

    def collected(self, content: bytes) -> list[bytes]:
        """The contents of all, by rank."""
        sizes = self.counts(len(content))
        blocks = self._gathered(_block(content, max(sizes)))
        return [block.numpy().tobytes()[:size] for block, size in zip(blocks, sizes, strict=True)]

    def _gathered(self, numbers: Tensor) -> list[Tensor]:
        gathered = [torch.empty_like(numbers) for _ in range(self.count)]
        with _all_there():
            dist.all_gather(gathered, numbers, group=self._group)
        return gathered


@contextlib.contextmanager
def joined(store: Store, rank: int, count: int, device: torch.device) -> Iterator[Group]:
    """Waits for all processes and is one of them.

    Args:
        store: where they find one another.
        device: where this one learns.

    Raises:
        TemporaryError: one of them does not come.
    """
    with _all_there():
        dist.init_process_group(backend_for(device), store=store, rank=rank, world_size=count, timeout=PATIENCE)
    try:
        yield Group(rank, count, None)
    finally:
        dist.destroy_process_group()


def backend_for(device: torch.device) -> str:
    """What ``torch.distributed`` is to carry tensors with, where one of the processes learns on a device."""
    return "gloo" if device.type == "cpu" else f"cpu:gloo,{device.type}:nccl"


def _block(content: bytes, size: int) -> Tensor:
    return torch.frombuffer(bytearray(content.ljust(max(size, 1), b"\0")), dtype=torch.uint8)[:size]


@contextlib.contextmanager
def _all_there() -> Iterator[None]:
    try:
        yield
    # What the backends raise for a closed connection and for a silent one alike.
    except RuntimeError as error:
        raise TemporaryError(
            f"another optimizer process is gone: {str(error).partition(chr(10))[0][:200]}",
            "Run the same command again: it resumes from the newest checkpoint.",
        ) from error

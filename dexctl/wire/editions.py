"""Which versions of the parameters are kept, and which worker is told of which.

Workers that share memory are told one after the other: one of them fetches a version and puts it
into the host's shared memory, then the others find it there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

KEPT_VERSIONS = 4
# A worker that fetches for its host and asks for nothing in this time lets another one try.
PATIENCE_S = 10.0


class Notice(NamedTuple):
    """One announcement to make.

    Attributes:
        size: bytes of the parameters.
        share: whether the worker should put them into its host's shared memory.
    """

    worker: str
    version: int
    size: int
    share: bool


@dataclass
class _Host:
    """Workers that see one shared memory.

    Attributes:
        available: newest version that stands there.
        shares: whether anything can be put there.
        fetcher: who was asked to fetch version ``asked`` for all, and asked for a piece at ``progress_s``.
    """

    members: list[str] = field(default_factory=list)
    available: int = 0
    shares: bool = True
    fetcher: str = ""
    asked: int = 0
    progress_s: float = 0.0


class Editions:
    """The newest version, the older ones that are still being fetched, and who knows of what."""

    def __init__(self) -> None:
        self._blocks: dict[int, memoryview] = {}
        self._sizes: dict[int, int] = {}
        self._fetching: dict[str, int] = {}
        self._hosts: dict[str, _Host] = {}
        self._memory: dict[str, str] = {}
        self._told: dict[str, int] = {}
        self._changed = False
        self._looked_s = 0.0
        self.newest = 0

    def publish(self, version: int, block: memoryview) -> None:
        """Take a newer version."""
        self.newest = version
        self._blocks[version] = block
        self._sizes[version] = block.nbytes
        self._forget()

    def join(self, worker: str, memory: str) -> None:
        """A worker comes with the identity of its shared memory, empty for none."""
        self.leave(worker)
        self._memory[worker] = memory or f"alone:{worker}"
        self._told[worker] = 0
        self._hosts.setdefault(self._memory[worker], _Host()).members.append(worker)

    def leave(self, worker: str) -> None:
        """A worker goes; another one on its host fetches in its place."""
        self._told.pop(worker, None)
        self._fetching.pop(worker, None)
        name = self._memory.pop(worker, None)
        if name is not None:
            host = self._hosts[name]
            host.members.remove(worker)
            if host.fetcher == worker:
                host.fetcher = ""
            if not host.members:
                del self._hosts[name]
        self._forget()

    def have(self, worker: str, version: int, shared: bool, now_s: float) -> None:
        """A worker has a version whole, and it stands in its host's shared memory or does not."""
        self._fetching.pop(worker, None)
        host = self._hosts[self._memory[worker]]
        if version in self._sizes:
            host.progress_s = now_s
            if shared:
                host.available = max(host.available, version)
            elif host.fetcher == worker and version >= host.asked:
                host.shares = False
        self._forget()

    def fetch(self, worker: str, version: int, now_s: float) -> memoryview | None:
        """Bytes of a version for a worker, kept until it has them, or nothing when not kept."""
        self._hosts[self._memory[worker]].progress_s = now_s
        if version not in self._blocks:
            self._fetching.pop(worker, None)
            return None
        self._fetching[worker] = version
        return self._blocks[version]

    def due(self, now_s: float) -> list[Notice]:
        """Every announcement to make now."""
        if not self._changed and now_s < self._looked_s + 1.0:
            return []
        self._changed, self._looked_s = False, now_s
        return [notice for host in self._hosts.values() for notice in self._due_on(host, now_s)]

    def _due_on(self, host: _Host, now_s: float) -> list[Notice]:
        behind = [worker for worker in host.members if self._told[worker] < self.newest]
        if host.available == self.newest or not host.shares or len(host.members) == 1:
            host.fetcher = ""
            return [self._notice(worker, self.newest) for worker in behind]
        if host.fetcher and host.fetcher not in behind and now_s - host.progress_s > PATIENCE_S:
            host.fetcher = ""
        notices = []
        if behind and (not host.fetcher or host.fetcher in behind):
            host.fetcher = host.fetcher or behind[0]
            host.progress_s, host.asked = now_s, self.newest
            notices.append(self._notice(host.fetcher, self.newest, share=True))
        waiting = [worker for worker in behind if worker != host.fetcher and self._told[worker] < host.available]
        return notices + [self._notice(worker, host.available) for worker in waiting]

    def _notice(self, worker: str, version: int, share: bool = False) -> Notice:
        self._told[worker] = version
        return Notice(worker, version, self._sizes[version], share)

    def _forget(self) -> None:
        needed = {self.newest, *self._fetching.values()}
        kept = sorted(needed & set(self._blocks))[-KEPT_VERSIONS:]
        self._blocks = {version: self._blocks[version] for version in kept}
        known = {*kept, *(host.available for host in self._hosts.values())}
        self._sizes = {v: size for v, size in self._sizes.items() if v in known}
        self._changed = True

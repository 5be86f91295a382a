"""Which versions of the parameters are kept, and which worker is told of which.

Workers that share memory are told one after the other: the first fetches a version and puts it
into the host's shared memory, then the others find it there. Workers that share the optimizer's
own memory find every version there at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

KEPT_VERSIONS = 4
# A worker that fetches for its host and asks for nothing in this time lets the next one try.
PATIENCE_S = 10.0


@dataclass
class _Host:
    """Workers that see one shared memory; the first of them fetches."""

    members: list[str] = field(default_factory=list)
    available: int = 0
    shares: bool = True
    progress_s: float = 0.0


class Editions:
    """The newest version, the older ones that are still being fetched, and who knows of what.

    Args:
        own_memory: identity of the shared memory that this process writes to.
    """

    def __init__(self, own_memory: str) -> None:
        self._own_memory = own_memory
        self._own_available = 0
        self._blocks: dict[int, memoryview] = {}
        self._sizes: dict[int, int] = {}
        self._fetching: dict[str, int] = {}
        self._hosts: dict[str, _Host] = {}
        self._memory: dict[str, str] = {}
        self._told: dict[str, int] = {}
        self._changed = False
        self._looked_s = 0.0
        self.newest = 0

    def publish(self, version: int, block: memoryview, shared: bool) -> None:
        """Take a newer version; ``shared`` when it stands in this host's shared memory."""
        self.newest = version
        self._blocks[version] = block
        self._sizes[version] = block.nbytes
        if shared:
            self._own_available = version
        self._forget()
        self._changed = True

    def join(self, worker: str, memory: str, now_s: float) -> None:
        """A worker comes with the identity of its shared memory, empty for none."""
        self.leave(worker)
        host = memory or f"alone:{worker}"
        self._memory[worker] = host
        self._told[worker] = 0
        self._hosts.setdefault(host, _Host(progress_s=now_s)).members.append(worker)
        self._changed = True

    def leave(self, worker: str) -> None:
        """A worker goes; the next on its host fetches in its place."""
        self._told.pop(worker, None)
        self._fetching.pop(worker, None)
        name = self._memory.pop(worker, None)
        if name is not None:
            self._hosts[name].members.remove(worker)
            if not self._hosts[name].members:
                del self._hosts[name]
        self._forget()
        self._changed = True

    def have(self, worker: str, version: int, shared: bool, now_s: float) -> None:
        """A worker has a version whole, and ``shared`` it with its host or not."""
        self._fetching.pop(worker, None)
        host = self._hosts[self._memory[worker]]
        if version in self._sizes:
            host.shares = host.shares and shared
            host.available = max(host.available, version if shared else 0)
            host.progress_s = now_s
        self._forget()
        self._changed = True

    def fetch(self, worker: str, version: int, now_s: float) -> memoryview | None:
        """Bytes of a version for a worker, kept until it has them, or nothing when not kept."""
        self._hosts[self._memory[worker]].progress_s = now_s
        if version not in self._blocks:
            self._fetching.pop(worker, None)
            return None
        self._fetching[worker] = version
        return self._blocks[version]

    def due(self, now_s: float) -> list[tuple[str, int, int]]:
        """Worker, version and size in bytes of every announcement to make now."""
        if not self._changed and now_s < self._looked_s + 1.0:
            return []
        self._changed, self._looked_s = False, now_s
        announcements = []
        for name, host in self._hosts.items():
            available = max(host.available, self._own_available if self._owns(name) else 0)
            everybody = not host.shares or available == self.newest
            told = self._told[host.members[0]] == self.newest
            if told and not everybody and now_s - host.progress_s > PATIENCE_S:
                host.members.append(host.members.pop(0))
            for place, worker in enumerate(host.members):
                version = self.newest if everybody or place == 0 else available
                if version > self._told[worker]:
                    host.progress_s = now_s
                    self._told[worker] = version
                    announcements.append((worker, version, self._sizes[version]))
        return announcements

    def _owns(self, host: str) -> bool:
        return bool(self._own_memory) and host == self._own_memory

    def _forget(self) -> None:
        needed = {self.newest, *self._fetching.values()}
        kept = sorted(needed & set(self._blocks))[-KEPT_VERSIONS:]
        self._blocks = {version: self._blocks[version] for version in kept}
        known = {*kept, self._own_available, *(host.available for host in self._hosts.values())}
        self._sizes = {v: size for v, size in self._sizes.items() if v in known}

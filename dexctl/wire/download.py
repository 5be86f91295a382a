"""Getting the newest parameters: from the host's shared memory, or in pieces over the wire."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dexctl.errors import ProtocolError
from dexctl.wire.messages import PARAMETERS_BYTES, PIECE_BYTES, PIECES_AHEAD, Announce, Fault, Fetch, Have
from dexctl.wire.parameters import unpack, version_of
from dexctl.wire.shared import SharedBlock, SharedFolder


@dataclass(frozen=True, eq=False)
class Edition:
    """One whole version.

    Attributes:
        instance: of the optimizer that published it.
        parameters: arrays by name.
    """

    instance: str
    version: int
    parameters: dict[str, np.ndarray]


class _Fetching:
    """A version that is on its way, into shared memory or into this process's own."""

    def __init__(self, version: int, size: int, shared: SharedBlock | None) -> None:
        self.version, self.size, self.shared = version, size, shared
        self.requested = self.received = 0
        self._private = None if shared else memoryview(bytearray(size))

    def write(self, content: memoryview) -> None:
        """The next piece."""
        if self.shared:
            self.shared.write(self.received, content)
        elif self._private:
            self._private[self.received : self.received + content.nbytes] = content
        self.received += content.nbytes

    def memory(self) -> memoryview:
        """All of it, to be read."""
        return self.shared.load() if self.shared else self._private or memoryview(b"")


class Download:
    """Follows the announcements of one optimizer at a time; never more than one version at once.

    Args:
        folder: the host's shared memory.

    Attributes:
        edition: the newest whole version, or None.
        announced: the newest version that the optimizer told of.
    """

    def __init__(self, folder: SharedFolder) -> None:
        self._folder = folder
        self._instance = ""
        self._news: Announce | None = None
        self._fetching: _Fetching | None = None
        self._published: SharedBlock | None = None
        self._finished: list[Have] = []
        self.edition: Edition | None = None

    @property
    def announced(self) -> int:
        """The newest version that the optimizer told of."""
        return self._news.version if self._news else 0

    def follow(self, instance: str) -> None:
        """A connection begins; what was on its way is lost with the one before."""
        self._abandon()
        self._instance, self._news = instance, None

    def announce(self, news: Announce) -> None:
        """The optimizer has a version.

        Raises:
            Fault: it is too large.
        """
        if news.size > PARAMETERS_BYTES:
            raise Fault(f"parameters of {news.size} bytes, at most {PARAMETERS_BYTES} are allowed")
        if news.version > self.announced:
            self._news = news
        self._begin()

    def requests(self) -> list[Fetch | Have]:
        """Messages to send now."""
        messages: list[Fetch | Have] = [*self._finished]
        self._finished.clear()
        fetching = self._fetching
        if fetching:
            ahead = fetching.received + PIECES_AHEAD * PIECE_BYTES
            while fetching.requested < min(fetching.size, ahead):
                messages.append(Fetch(version=fetching.version, offset=fetching.requested))
                fetching.requested += PIECE_BYTES
        return messages

    def piece(self, version: int, offset: int, body: memoryview) -> None:
        """A piece arrived.

        Raises:
            Fault: it is not the one that is due.
            ProtocolError: the parameters are whole and not what they should be.
        """
        fetching = self._fetching
        if fetching is None or version != fetching.version:
            return
        if offset != fetching.received or body.nbytes != min(PIECE_BYTES, fetching.size - offset):
            raise Fault(f"{body.nbytes} bytes of parameters at {offset}")
        fetching.write(body)
        if fetching.received == fetching.size:
            self._finish(fetching)

    def gone(self, version: int) -> None:
        """The version that is being fetched is not kept any more: take the newest instead."""
        if self._fetching and version == self._fetching.version:
            self._abandon()
            self._begin()

    def close(self) -> None:
        """Let go of the shared memory; the arrays stay."""
        self._abandon()
        if self._published:
            self._published.close()
            self._published = None

    def _known(self) -> int:
        have = self.edition
        return have.version if have and have.instance == self._instance else 0

    def _begin(self) -> None:
        news = self._news
        if news is None or self._fetching or news.version <= self._known():
            return
        if self._find(news.version):
            self._finished.append(Have(version=news.version, shared=True))
        else:
            shared = self._folder.create(news.size) if news.share else None
            self._fetching = _Fetching(news.version, news.size, shared)

    def _find(self, version: int) -> bool:
        block = self._folder.load(self._instance)
        try:
            if block is None or version_of(block) < version:
                return False
            # Whoever put it there, a process of the same user, has checked its numbers.
            found, parameters = unpack(block, trusted=True)
        except ValueError:
            return False
        self.edition = Edition(self._instance, found, parameters)
        return True

    def _finish(self, fetching: _Fetching) -> None:
        try:
            version, parameters = unpack(fetching.memory())
        except ValueError as error:
            raise ProtocolError(f"the optimizer sent {error}") from None
        self._fetching = None
        self.edition = Edition(self._instance, version, parameters)
        shared = fetching.shared is not None and self._folder.publish(self._instance, fetching.shared)
        if self._published:
            self._published.close()
        self._published = fetching.shared
        self._finished.append(Have(version=fetching.version, shared=shared))
        self._begin()

    def _abandon(self) -> None:
        if self._fetching and self._fetching.shared:
            self._fetching.shared.close()
        self._fetching = None

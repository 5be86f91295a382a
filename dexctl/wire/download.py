"""Getting the newest parameters: from the host's shared memory, or in pieces over the wire."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dexctl.errors import ProtocolError
from dexctl.wire.messages import PARAMETERS_BYTES, PIECE_BYTES, PIECES_AHEAD, Fault, Fetch, Have
from dexctl.wire.parameters import unpack, version_of
from dexctl.wire.shared import Block, SharedFolder


@dataclass(frozen=True, eq=False)
class Edition:
    """One whole version.

    Attributes:
        instance: of the optimizer that published it.
        parameters: arrays by name, to be copied or kept, not to be written to.
    """

    instance: str
    version: int
    parameters: dict[str, np.ndarray]


@dataclass(eq=False)
class _Fetching:
    """A version that is on its way."""

    version: int
    block: Block
    requested: int = 0
    received: int = 0


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
        self._size = 0
        self._fetching: _Fetching | None = None
        self._published: Block | None = None
        self._shared = False
        self._finished: list[Have] = []
        self.edition: Edition | None = None
        self.announced = 0

    def follow(self, instance: str) -> None:
        """A connection begins; what was on its way is lost with the one before."""
        self._abandon()
        self._instance, self.announced, self._size = instance, 0, 0

    def announce(self, version: int, size: int) -> None:
        """The optimizer has a version of ``size`` bytes.

        Raises:
            Fault: it is too large.
        """
        if size > PARAMETERS_BYTES:
            raise Fault(f"parameters of {size} bytes, at most {PARAMETERS_BYTES} are allowed")
        if version > self.announced:
            self.announced, self._size = version, size
        if version <= self._known():
            self._finished.append(Have(version=version, shared=self._shared))
        self._begin()

    def requests(self) -> list[Fetch | Have]:
        """Messages to send now."""
        messages: list[Fetch | Have] = [*self._finished]
        self._finished.clear()
        fetching = self._fetching
        if fetching:
            ahead = fetching.received + PIECES_AHEAD * PIECE_BYTES
            while fetching.requested < min(fetching.block.memory.nbytes, ahead):
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
        end = min(offset + PIECE_BYTES, fetching.block.memory.nbytes)
        if offset != fetching.received or body.nbytes != end - offset:
            raise Fault(f"{body.nbytes} bytes of parameters at {offset}")
        fetching.block.memory[offset:end] = body
        fetching.received = end
        if end == fetching.block.memory.nbytes:
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
        if self._fetching or self.announced <= self._known():
            return
        block = self._folder.load(self._instance)
        if block is not None and self._adopt(block, self.announced):
            self._shared = True
            self._finished.append(Have(version=self.announced, shared=True))
        elif self._size:
            self._fetching = _Fetching(self.announced, self._folder.create(self._size))

    def _finish(self, fetching: _Fetching) -> None:
        self._fetching = None
        self._shared = self._folder.publish(self._instance, fetching.block)
        # Mapped anew, the arrays are this process's own: writing to them changes no other's.
        block = self._folder.load(self._instance) if self._shared else None
        if block is None or not self._adopt(block, fetching.version):
            try:
                version, parameters = unpack(fetching.block.memory)
            except ValueError as error:
                fetching.block.close()
                raise ProtocolError(f"the optimizer sent {error}") from None
            self.edition = Edition(self._instance, version, parameters)
        if self._published:
            self._published.close()
        self._published = fetching.block
        self._finished.append(Have(version=fetching.version, shared=self._shared))
        self._begin()

    def _adopt(self, block: memoryview, version: int) -> bool:
        try:
            if version_of(block) < version:
                return False
            found, parameters = unpack(block)
        except ValueError:
            return False
        self.edition = Edition(self._instance, found, parameters)
        return True

    def _abandon(self) -> None:
        if self._fetching:
            self._fetching.block.close()
            self._fetching = None

"""A way in for bytes from elsewhere, and how it may refuse them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from dexctl.errors import DexctlError


class Decoder(NamedTuple):
    """One way in.

    Attributes:
        decode: reads bytes.
        seeds: bytes that it reads to their end, to begin with.
        refusals: how it may refuse, with the exit codes that a refusal may carry.
    """

    decode: Callable[[bytes], object]
    seeds: list[bytes]
    refusals: tuple[type[Exception], ...] = (DexctlError,)
    codes: frozenset[int] = frozenset()

    def attempt(self, data: bytes) -> None:
        """Reads bytes, whatever they are.

        Raises:
            Exception: of a kind, or with a code, that was not stated: a bug.
        """
        try:
            self.decode(data)
        except self.refusals as refusal:
            code = getattr(refusal, "code", None)
            if code is not None and code not in self.codes:
                raise AssertionError(f"exit code {code} is not among {sorted(self.codes)}") from refusal

"""Where an interrupted calibration was: a file beside its output, so that the same command goes on from there."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import numpy as np

from dexctl.calibrate.fitting import Told
from dexctl.store.whole_file import write_whole


class _Content(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds; see ``SavedFit``."""

    key: str
    vectors: dict[str, list[float]]
    done: dict[str, bool]
    seconds: float


class SavedFit:
    """A fit on its way.

    Attributes:
        path: of the file.
        vectors: by finger; done: of those, the fingers that came to their end, and whether they converged.
    """

    def __init__(self, path: Path, key: str, fresh: bool) -> None:
        """Reads where the same fit was, if the file tells it.

        Args:
            key: stands for all that the fit depends on.
            fresh: forget what is there.
        """
        self.path, self._key = path, key
        self.vectors: dict[str, np.ndarray] = {}
        self.done: dict[str, bool] = {}
        self._began_s, self._before_s = time.monotonic(), 0.0
        if not fresh:
            self._read()

    @property
    def seconds(self) -> float:
        """Spent on this fit, earlier runs of the command among it."""
        return self._before_s + time.monotonic() - self._began_s

    def note(self, told: Told) -> None:
        """Takes the newest vector of a finger."""
        self.vectors[told.finger] = told.vector
        self._write()

    def finish(self, finger: str, vector: np.ndarray, converged: bool) -> None:
        """A finger is fitted to its end."""
        self.vectors[finger], self.done[finger] = vector, converged
        self._write()

    def _read(self) -> None:
        try:
            found = msgspec.json.decode(self.path.read_bytes(), type=_Content)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # It is not there, or not ours: the fit begins anew.
            return
        if found.key == self._key:
            self.vectors = {name: np.array(vector) for name, vector in found.vectors.items()}
            self.done, self._before_s = found.done, found.seconds

    def _write(self) -> None:
        vectors = {name: vector.tolist() for name, vector in self.vectors.items()}
        content = _Content(key=self._key, vectors=vectors, done=self.done, seconds=self.seconds)
        write_whole(self.path, msgspec.json.encode(content))

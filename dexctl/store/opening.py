"""Any dataset of dexctl, opened as what it says it is."""

from __future__ import annotations

from pathlib import Path

from dexctl.errors import DataError
from dexctl.store import images, recordings, states
from dexctl.store.images import Images
from dexctl.store.recordings import Recording
from dexctl.store.rows import kind_of
from dexctl.store.states import States

_READERS = {states.KIND: States, images.KIND: Images, recordings.KIND: Recording}


def is_dataset(path: Path) -> bool:
    """Whether a folder is a group of Zarr v3, dexctl's or not."""
    return (path / "zarr.json").is_file()


def open_dataset(path: Path) -> States | Images | Recording:
    """Opens a dataset.

    Raises:
        MissingError: there is none.
        DataError: it is no dataset of dexctl, or damaged.
    """
    kind = kind_of(path)
    if kind not in _READERS:
        raise DataError(f"{path}: a dataset of {kind}", f"This dexctl knows {', '.join(_READERS)}.")
    return _READERS[kind](path)

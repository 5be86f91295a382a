"""From what a user names as an estimator to its run or checkpoint."""

from __future__ import annotations

from pathlib import Path

from dexctl.errors import MissingError
from dexctl.profile.layers import shipped_folder

_ESTIMATORS = "estimators"


def shipped_estimators() -> list[str]:
    """Names of the trained estimators that come with the profiles."""
    folder = shipped_folder() / _ESTIMATORS
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def locate_estimator(name: str) -> Path:
    """The run or checkpoint of this name, or the shipped estimator.

    Raises:
        MissingError: neither.
    """
    if Path(name).exists():
        return Path(name)
    if name in shipped_estimators():
        return shipped_folder() / _ESTIMATORS / name
    shipped = ", ".join(shipped_estimators()) or "none"
    raise MissingError(f"{name}: no such run or checkpoint, and no shipped estimator", f"Shipped are: {shipped}.")

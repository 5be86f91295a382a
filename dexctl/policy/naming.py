"""What a policy may be called: a baseline, a run, a checkpoint, or one that ships.

Imports nothing heavy, since a shell that completes a word cannot wait.
"""

from __future__ import annotations

from pathlib import Path

from dexctl.errors import MissingError
from dexctl.profile.layers import POLICIES, shipped_folder

BASELINES = ("random", "zero")


def shipped_policies() -> list[str]:
    """Names of the trained policies that come with the profiles."""
    folder = shipped_folder() / POLICIES
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def locate(name: str) -> Path:
    """The run or checkpoint of this name, or the shipped policy.

    Raises:
        MissingError: neither.
    """
    if Path(name).exists():
        return Path(name)
    if name in shipped_policies():
        return shipped_folder() / POLICIES / name
    shipped = ", ".join(shipped_policies()) or "none"
    raise MissingError(f"{name}: no such run or checkpoint, and no shipped policy", f"Shipped are: {shipped}.")

"""What is wrong with a command line and can be told at once, before seconds go into importing torch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dexctl.errors import CreateError, MissingError, UsageError
from dexctl.policy.naming import BASELINES, locate
from dexctl.profile.schema import Profile

# What a figure may be written as.
FIGURES = (".png", ".svg", ".pdf")


def check_output(path: Path, *suffixes: str) -> None:
    """Whether a file or folder can be made there; touches nothing.

    Args:
        suffixes: what its name may end in; anything when there is none.

    Raises:
        UsageError: the name ends in something else.
        CreateError: there is no folder to make it in.
    """
    if suffixes and path.suffix.lower() not in suffixes:
        raise UsageError(f"{path}: not a {', '.join(suffixes)} file", f"End the name in {suffixes[0]}.")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise CreateError(f"{path}: there is no folder {path.parent}", "Make it, or give another.")


def check_policies(names: Iterable[str]) -> None:
    """Whether every policy is a baseline or can be found.

    Raises:
        MissingError: one cannot.
    """
    for name in names:
        if name not in BASELINES:
            locate(name)


def check_datasets(paths: Iterable[Path]) -> None:
    """Whether there is anything where datasets are to be read.

    Raises:
        MissingError: there is nothing.
    """
    for path in paths:
        if not path.exists():
            raise MissingError(f"{path}: no such dataset")


def check_randomized(name: str, profile: Profile) -> None:
    """Whether there is anything that randomization could draw.

    Args:
        name: of the profile, or of the policy whose profile it is.

    Raises:
        UsageError: there is nothing.
    """
    randomize = profile.randomize
    groups = (randomize.physics, randomize.observation, randomize.unmodeled, randomize.appearance, randomize.pose)
    if not any(group.on for group in groups):
        raise UsageError(f"{name} randomizes nothing", "Take block-paper, or add --set randomize.physics.on=true.")

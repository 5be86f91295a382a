"""Where ``dexctl train-vision`` takes pictures from, and the profile that they are learned with."""

from __future__ import annotations

import dataclasses
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from dexctl.console.announced import Announced, announced_rows
from dexctl.errors import DataError, ProfileError, UsageError
from dexctl.evaluate.pose_errors import check_images
from dexctl.profile.load import Loaded, load, resolved
from dexctl.profile.schema import Profile
from dexctl.store.images import Images
from dexctl.vision.feed import in_portions, shuffled
from dexctl.vision.learner import Pictures

STDIN = "-"


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What to learn from and how; see the options of ``dexctl train-vision``."""

    images: tuple[str, ...]
    profile: str | None
    settings: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Source:
    """Pictures to learn from.

    Attributes:
        loaded: the profile to learn with.
        portions: makes an iterator of pictures, from a seed.
        live: whether each picture comes once.
    """

    loaded: Loaded
    portions: Callable[[int], Iterator[Pictures]]
    live: bool


def open_source(wanted: Wanted) -> Source:
    """Opens what was asked for; waits for the first rows where they are yet to come.

    Raises:
        UsageError: '-' beside datasets, or stdin is a terminal.
        MissingError, DataError, ProtocolError: a dataset is missing, damaged, or does not fit the profile.
        ProfileError: the profile trains no estimator.
        UnavailableError: the renderer ended before it announced anything.
    """
    if STDIN in wanted.images:
        return _announced(wanted)
    datasets = [Images(Path(name)) for name in wanted.images]
    loaded = _loaded(wanted, datasets[0])
    for images in datasets:
        _check(images, loaded.profile)
        if not len(images):
            raise DataError(f"{images.path}: no row is whole yet", "Render some pictures into it, or learn from '-'.")
    return Source(loaded, lambda seed: shuffled(datasets, seed), live=False)


def _announced(wanted: Wanted) -> Source:
    if len(wanted.images) > 1:
        raise UsageError("'-' stands for all pictures there are", "Leave the others away.")
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("nothing is piped into stdin", "Try: dexctl render STATES -o IMAGES | dexctl train-vision -")
    rows = announced_rows(sys.stdin.buffer)
    first = next(rows, None)
    if first is None:
        raise DataError("stdin: no rows were announced", "Look at what the renderer says.")
    loaded = _loaded(wanted, Images(first.dataset))
    return Source(loaded, lambda seed: _as_they_come(itertools.chain([first], rows), loaded.profile), live=True)


def _as_they_come(rows: Iterator[Announced], profile: Profile) -> Iterator[Pictures]:
    opened: dict[Path, Images] = {}
    for announced in rows:
        if announced.dataset not in opened:
            opened[announced.dataset] = Images(announced.dataset)
            _check(opened[announced.dataset], profile)
        images = opened[announced.dataset]
        if images.refresh() < announced.stop:
            raise DataError(
                f"{images.path}: row {announced.stop - 1} was announced, and {len(images)} rows are whole",
                "Is it on a file system that both commands share?",
            )
        yield from in_portions(images, announced.start, announced.stop)


def _loaded(wanted: Wanted, images: Images) -> Loaded:
    if wanted.profile is not None:
        loaded = load(wanted.profile, wanted.settings)
    else:
        try:
            profile = msgspec.convert(images.metadata.profile, Profile)
        except msgspec.ValidationError as error:
            raise DataError(
                f"{images.path}: its profile does not fit this program: {error}", "Give --profile."
            ) from error
        loaded = resolved(profile, wanted.settings, str(images.path))
    if loaded.profile.vision is None:
        raise ProfileError(f"{loaded.name}: has no table [vision]", "Try --profile vision-small.")
    return loaded


def _check(images: Images, profile: Profile) -> None:
    assert profile.vision is not None
    check_images(images, profile)

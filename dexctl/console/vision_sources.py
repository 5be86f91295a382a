"""Where ``dexctl train-vision`` takes pictures from, and the profile that they are learned with."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from dexctl.console.announced import Announced, announced_rows
from dexctl.console.row_stream import Connecting, ReceivedRows, is_endpoint
from dexctl.errors import DataError, DexctlError, ProfileError, UsageError
from dexctl.evaluate.pose_errors import check_pictures, open_images
from dexctl.profile.load import Loaded, load, resolved
from dexctl.profile.schema import Profile
from dexctl.store.images import Images, ImagesMetadata, image_columns
from dexctl.store.rows import Column, profile_of
from dexctl.vision.feed import CAMERA, READ, in_portions, shuffled
from dexctl.vision.learner import Pictures
from dexctl.vision.rendering.ahead import Ahead

STDIN = "-"


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What to learn from and how; see the options of ``dexctl train-vision``."""

    images: tuple[str, ...]
    profile: str | None
    settings: tuple[str, ...]
    held_out: tuple[Path, ...] = ()
    connecting: Connecting = dataclasses.field(default_factory=Connecting)


@dataclasses.dataclass(frozen=True)
class Source:
    """Pictures to learn from.

    Attributes:
        loaded: the profile to learn with.
        portions: makes an iterator of pictures, from a seed.
        held_out: pictures that are measured and never learned from.
    """

    loaded: Loaded
    portions: Callable[[int], Iterator[Pictures]]
    held_out: Sequence[Images]
    _senders: Sequence[ReceivedRows[ImagesMetadata]] = ()

    def enough(self) -> None:
        """Tells who sends that no more is wanted."""
        for sender in self._senders:
            sender.enough()

    def close(self) -> None:
        """Waits for nothing more."""
        for sender in self._senders:
            sender.close()


def open_source(wanted: Wanted) -> Source:
    """Opens what was asked for; waits for the first rows where they are yet to come.

    Raises:
        UsageError: '-' or an endpoint beside datasets, or stdin is a terminal.
        MissingError, DataError, ProtocolError: a dataset is missing, damaged, or does not fit the profile.
        ProfileError: the profile trains no estimator.
        UnavailableError: the renderer ended before it announced anything, or cannot be reached.
        RefusedError: not with these keys.
    """
    if STDIN in wanted.images:
        return _announced(wanted)
    if any(map(is_endpoint, wanted.images)):
        return _sent(wanted)
    datasets = [Images(Path(name)) for name in wanted.images]
    loaded = _loaded(wanted, datasets[0].metadata, str(datasets[0].path))
    for images in datasets:
        check_pictures(images.metadata, str(images.path), loaded.profile)
        if not len(images):
            raise DataError(f"{images.path}: no row is whole yet", "Render some pictures into it, or learn from '-'.")
    return Source(loaded, lambda seed: shuffled(datasets, seed), _held_out(wanted, loaded))


def _announced(wanted: Wanted) -> Source:
    if len(wanted.images) > 1:
        raise UsageError("'-' stands for all pictures there are", "Leave the others away.")
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("nothing is piped into stdin", "Try: dexctl render STATES -o IMAGES | dexctl train-vision -")
    rows = announced_rows(sys.stdin.buffer)
    first = next(rows, None)
    if first is None:
        raise DataError("stdin: no rows were announced", "Look at what the renderer says.")
    loaded = _loaded(wanted, Images(first.dataset).metadata, str(first.dataset))
    held_out = _held_out(wanted, loaded)
    return Source(loaded, lambda seed: _as_they_come(itertools.chain([first], rows), loaded.profile), held_out)


def _as_they_come(rows: Iterator[Announced], profile: Profile) -> Iterator[Pictures]:
    opened: dict[Path, Images] = {}
    for announced in rows:
        if announced.dataset not in opened:
            opened[announced.dataset] = Images(announced.dataset)
            check_pictures(opened[announced.dataset].metadata, str(announced.dataset), profile)
        images = opened[announced.dataset]
        if images.refresh() < announced.stop:
            raise DataError(
                f"{images.path}: row {announced.stop - 1} was announced, and {len(images)} rows are whole",
                "Is it on a file system that both commands share?",
            )
        yield from in_portions(images, announced.start, announced.stop)


def _sent(wanted: Wanted) -> Source:
    if not all(map(is_endpoint, wanted.images)):
        raise UsageError("datasets and endpoints do not go together", "Give one kind of both.")
    with contextlib.ExitStack() as opened:
        senders: list[ReceivedRows[ImagesMetadata]] = []
        for endpoint in wanted.images:
            senders.append(ReceivedRows(endpoint, "images", _columns, ImagesMetadata, wanted.connecting))
            opened.callback(senders[-1].close)
        loaded = _loaded(wanted, senders[0].metadata, senders[0].endpoint)
        for sender in senders:
            check_pictures(sender.metadata, sender.endpoint, loaded.profile)
        held_out = _held_out(wanted, loaded)
        opened.pop_all()
    return Source(loaded, lambda seed: _merged([_pictures(one) for one in senders]), held_out, senders)


def _held_out(wanted: Wanted, loaded: Loaded) -> list[Images]:
    return [open_images(path, loaded.profile) for path in wanted.held_out]


def _columns(about: ImagesMetadata) -> dict[str, Column]:
    cameras = len(about.cameras)
    shapes = dict(zip(CAMERA, ((cameras, 3), (cameras, 4), (cameras,)), strict=True))
    return image_columns(about, {name: Column("float32", shape, "finite") for name, shape in shapes.items()})


def _pictures(sender: ReceivedRows[ImagesMetadata]) -> Iterator[Pictures]:
    for _, rows in sender.portions():
        yield Pictures(*(rows[name] for name in READ))


def _merged(sources: Sequence[Iterator[Pictures]]) -> Iterator[Pictures]:
    """Portions of all sources as they come.

    Raises:
        DexctlError: of the first that failed, once the others have ended.
    """
    failure: DexctlError | None = None
    with contextlib.ExitStack() as opened:
        left = [opened.enter_context(Ahead(source, 1)) for source in sources]
        while left:
            found = False
            for ahead in left:
                try:
                    pictures = ahead.take(wait=not found and ahead is left[-1])
                except DexctlError as error:
                    failure = failure or error
                    continue
                if pictures is not None:
                    found = True
                    yield pictures
            left = [ahead for ahead in left if not ahead.over]
    if failure is not None:
        raise failure


def _loaded(wanted: Wanted, about: ImagesMetadata, where: str) -> Loaded:
    if wanted.profile is not None:
        loaded = load(wanted.profile, wanted.settings)
    else:
        loaded = resolved(profile_of(about.profile, where), wanted.settings, where)
    if loaded.profile.vision is None:
        raise ProfileError(f"{loaded.name}: has no table [vision]", "Try --profile vision-small.")
    return loaded

"""Pictures of the cameras with the object's pose and how they were drawn: what the pose estimator learns from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from dexctl.store.row_reader import RowReader
from dexctl.store.row_writer import RowWriter
from dexctl.store.rows import Announce, Column, announce_nothing, open_group, read_metadata

KIND = "images"
APPEARANCE = "appearance/"
COLUMNS = {
    # A picture a camera, in the order of the metadata: rows from the top, RGB.
    "images": Column("uint8", (None, None, None, 3), sharded=True),
    # World frame; of the object as it is in the picture.
    "object_position_m": Column("float32", (3,), "finite"),
    "object_quaternion_wxyz": Column("float32", (4,), "unit"),
    # The scene as it is in the picture, after the pose was augmented.
    "qpos": Column("float32", (None,), "finite"),
    # Which row of the states it was made from, and how the object's pose was augmented: an ``Augmentation``.
    "state_row": Column("int64"),
    "augmentation": Column("uint8"),
}
# Rows become safe together; more of small pictures, and always a power of two.
_BLOCK_BYTES = 16 << 20
_MOST_BLOCK_ROWS = 512


class ImagesMetadata(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What describes a dataset of images.

    Attributes:
        profile: the resolved profile, as plain values; profile_digest: of what shapes experience in it.
        cameras: names, in the order of the second axis of ``images``.
        renderer: ``classic`` or ``filament``.
        height_px, width_px: of each picture.
        positions: length of ``qpos``.
    """

    profile: dict[str, Any]
    profile_digest: str
    cameras: list[str]
    renderer: Literal["classic", "filament"]
    seed: int
    height_px: int
    width_px: int
    positions: int


def image_columns(metadata: ImagesMetadata, appearance: dict[str, Column]) -> dict[str, Column]:
    """Every array of a dataset of images.

    Args:
        appearance: what is drawn for a picture, by name.
    """
    images = (len(metadata.cameras), metadata.height_px, metadata.width_px, 3)
    return {
        **COLUMNS,
        "images": Column("uint8", images, sharded=True),
        "qpos": Column("float32", (metadata.positions,), "finite"),
        **{f"{APPEARANCE}{name}": column for name, column in appearance.items()},
    }


def block_rows(metadata: ImagesMetadata) -> int:
    """Rows that become safe together."""
    row_bytes = len(metadata.cameras) * metadata.height_px * metadata.width_px * 3
    return min(_MOST_BLOCK_ROWS, 1 << (max(1, _BLOCK_BYTES // row_bytes).bit_length() - 1))


class ImagesWriter(RowWriter):
    """Appends images; see ``RowWriter``."""

    def __init__(
        self,
        path: Path,
        metadata: ImagesMetadata,
        appearance: dict[str, Column],
        announce: Announce = announce_nothing,
    ) -> None:
        columns = image_columns(metadata, appearance)
        super().__init__(path, KIND, columns, msgspec.to_builtins(metadata), block_rows(metadata), announce)


class Images(RowReader):
    """Images to be read; see ``RowReader``.

    ``read(start, stop)`` gives every array of rows, ``read(start, stop, LEARNED_FROM)`` what learning needs.

    Attributes:
        metadata: what describes them.
    """

    def __init__(self, path: Path) -> None:
        """Opens a dataset of images.

        Raises:
            MissingError: there is none.
            DataError: it is something else, or damaged.
        """
        self.metadata = read_metadata(path, open_group(path, KIND)[1], ImagesMetadata)
        super().__init__(path, KIND, image_columns(self.metadata, {}))


LEARNED_FROM = ("images", "object_position_m", "object_quaternion_wxyz")

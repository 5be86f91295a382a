"""States of hand and object, gathered in simulation: what pictures are rendered from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from dexctl.store.row_reader import RowReader
from dexctl.store.row_writer import RowWriter
from dexctl.store.rows import Announce, Column, announce_nothing, open_group, read_metadata

KIND = "states"
BLOCK_ROWS = 1024
COLUMNS = {
    # Of the hand's 24 joints, rad, then the object's position, m, and quaternion, wxyz.
    "qpos": Column("float32", (None,), "finite"),
    "object_position_m": Column("float32", (3,), "finite"),
    "object_quaternion_wxyz": Column("float32", (4,), "unit"),
    # Which episode of the gathering a state is from.
    "episode": Column("int64"),
}


class StatesMetadata(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What describes a dataset of states.

    Attributes:
        profile: the resolved profile, as plain values; profile_digest: of what shapes experience in it.
        policy: that acted, as it was named.
        positions: length of ``qpos``.
    """

    profile: dict[str, Any]
    profile_digest: str
    policy: str
    seed: int
    positions: int


class StatesWriter(RowWriter):
    """Appends states; see ``RowWriter``."""

    def __init__(self, path: Path, metadata: StatesMetadata, announce: Announce = announce_nothing) -> None:
        columns = COLUMNS | {"qpos": Column("float32", (metadata.positions,), "finite")}
        super().__init__(path, KIND, columns, msgspec.to_builtins(metadata), BLOCK_ROWS, announce)


class States(RowReader):
    """States to be read; see ``RowReader``.

    Attributes:
        metadata: what describes them.
    """

    def __init__(self, path: Path) -> None:
        """Opens a dataset of states.

        Raises:
            MissingError: there is none.
            DataError: it is something else, or damaged.
        """
        self.metadata = read_metadata(path, open_group(path, KIND)[1], StatesMetadata)
        super().__init__(path, KIND, COLUMNS | {"qpos": Column("float32", (self.metadata.positions,), "finite")})

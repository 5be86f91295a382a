"""Contact sheets: the pictures of many states on one, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SHEET_ROWS = 24
_COLUMNS = 4
_GAP_PX = 4


def strip(pictures: np.ndarray) -> np.ndarray:
    """The cameras' pictures (C, H, W, 3) of one state side by side, (H, C * W, 3)."""
    return np.concatenate(list(pictures), axis=1)


def sheet(states: Sequence[np.ndarray]) -> np.ndarray:
    """States, each (C, H, W, 3) uint8, in columns from the top, on white."""
    strips = [strip(pictures) for pictures in states]
    height, width = strips[0].shape[:2]
    columns = min(_COLUMNS, len(strips))
    lines = -(-len(strips) // columns)
    whole = np.full((lines * (height + _GAP_PX) - _GAP_PX, columns * (width + _GAP_PX) - _GAP_PX, 3), 255, np.uint8)
    for index, one in enumerate(strips):
        column, line = divmod(index, lines)
        top, left = line * (height + _GAP_PX), column * (width + _GAP_PX)
        whole[top : top + height, left : left + width] = one
    return whole

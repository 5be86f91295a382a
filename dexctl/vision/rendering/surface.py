"""Surfaces with fewer triangles, patterns for them, and colours shifted in hue, saturation and value."""

from __future__ import annotations

import numpy as np
from PIL import Image

_PATTERN_PX = 64
_COLORS = 128
# What is nearly grey has no hue of its own: white letters stay white.
_LEAST_SATURATION = 0.08


def thin(vertices_m: np.ndarray, faces: np.ndarray, cell_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Joins the vertices of each cell of a grid in their mean, and drops triangles that vanish.

    Args:
        vertices_m: (V, 3); faces: (F, 3) integers.
        cell_m: edge of a cell.

    Returns:
        Vertices (v, 3) and faces (f, 3) of the thinner surface.
    """
    cells = np.floor(vertices_m / cell_m).astype(np.int64)
    _, cell_of = np.unique(cells, axis=0, return_inverse=True)
    cell_of = cell_of.reshape(-1)
    members = np.bincount(cell_of)
    means = np.stack([np.bincount(cell_of, weights=axis) / members for axis in vertices_m.T], axis=1)
    joined = cell_of[faces]
    a, b, c = joined.T
    joined = joined[(a != b) & (b != c) & (a != c)]
    # Two sides of a thin wall fold onto each other: one of each set of corners is enough.
    _, first = np.unique(np.sort(joined, axis=1), axis=0, return_index=True)
    return means, joined[np.sort(first)]


def pattern(index: int) -> np.ndarray:
    """A grey pattern, (64, 64, 3) uint8, the same for an index at any time: clouds, stripes, checks, slopes."""
    rng = np.random.default_rng(index)
    y, x = np.mgrid[0:_PATTERN_PX, 0:_PATTERN_PX] / _PATTERN_PX
    waves = 2.0 * np.pi * int(rng.integers(1, 7))
    kind = index % 4
    if kind == 0:
        cells = int(rng.integers(4, 24))
        clouds = Image.fromarray(rng.random((cells, cells)).astype(np.float32))
        grey = np.asarray(clouds.resize((_PATTERN_PX, _PATTERN_PX), Image.Resampling.BICUBIC))
    elif kind == 1:
        grey = 0.5 + 0.5 * np.sign(np.sin(waves * (x if rng.random() < 0.5 else y)))
    elif kind == 2:
        grey = 0.5 + 0.5 * np.sign(np.sin(waves * x) * np.sin(waves * y))
    else:
        grey = rng.random() * x + rng.random() * y
    grey = (grey - grey.min()) / (grey.max() - grey.min())
    darkest = rng.uniform(0.2, 0.7)
    return np.repeat((255 * (darkest + (1.0 - darkest) * grey)).astype(np.uint8)[..., None], 3, axis=2)


class Tint:
    """A texture whose colours can be shifted quickly."""

    def __init__(self, pixels: np.ndarray) -> None:
        """Takes a texture (..., 3) uint8; 128 colours of it are kept."""
        flat = Image.fromarray(pixels.reshape(1, -1, 3))
        reduced = flat.quantize(_COLORS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        colors = reduced.getpalette()
        assert colors is not None
        self._index = np.asarray(reduced).reshape(pixels.shape[:-1])
        self._hsv = to_hsv(np.array(colors, dtype=np.float64).reshape(-1, 3) / 255.0)

    def shifted(self, hue: float, saturation: float, value: float) -> np.ndarray:
        """The texture, (..., 3) uint8, with these added to each of its colours."""
        return (255.0 * shift(self._hsv, hue, saturation, value) + 0.5).astype(np.uint8)[self._index]


def shift(hsv: np.ndarray, hue: float, saturation: float, value: float) -> np.ndarray:
    """Colours (..., 3) in hue, saturation and value to shifted ones in RGB; greys keep their saturation."""
    colored = hsv[..., 1] > _LEAST_SATURATION
    return to_rgb(
        np.stack(
            (
                (hsv[..., 0] + hue) % 1.0,
                np.clip(hsv[..., 1] + saturation * colored, 0.0, 1.0),
                np.clip(hsv[..., 2] + value, 0.0, 1.0),
            ),
            axis=-1,
        )
    )


def to_hsv(rgb: np.ndarray) -> np.ndarray:
    """(..., 3) in [0, 1] to hue in turns, saturation and value."""
    most, least = rgb.max(axis=-1), rgb.min(axis=-1)
    spread = np.where(most > least, most - least, 1.0)
    r, g, b = np.moveaxis(rgb, -1, 0)
    hue = np.select([most == r, most == g], [(g - b) / spread, 2.0 + (b - r) / spread], 4.0 + (r - g) / spread)
    saturation = np.where(most > 0, (most - least) / np.where(most > 0, most, 1.0), 0.0)
    return np.stack((hue / 6.0 % 1.0, saturation, most), axis=-1)


def to_rgb(hsv: np.ndarray) -> np.ndarray:
    """The inverse of ``to_hsv``."""
    hue, saturation, value = np.moveaxis(hsv, -1, 0)
    # Each channel is a trapezoid over hue, a third of a turn apart.
    sector = (np.array([5.0, 3.0, 1.0]) + 6.0 * hue[..., None]) % 6.0
    ramp = np.clip(np.minimum(sector, 4.0 - sector), 0.0, 1.0)
    return value[..., None] * (1.0 - saturation[..., None] * ramp)

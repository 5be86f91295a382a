"""What a picture says in words: goals reached in a row, time, angle left."""

from __future__ import annotations

import dataclasses

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_INK = (36, 40, 46)
_FAINT = (120, 127, 136)
_REACHED = (31, 138, 76)
_OPEN = (186, 191, 198)
_PIPS_IN_A_ROW = 25
_FINER = 4


@dataclasses.dataclass(frozen=True)
class Caption:
    """The state of an episode in figures.

    Attributes:
        goals: reached in a row so far; goals_wanted: where the episode is complete.
        time_s: since its start.
        angle_rad: left to the goal.
        note: how it ended, or empty while it runs.
    """

    goals: int
    goals_wanted: int
    time_s: float
    angle_rad: float
    note: str = ""


def add_caption(picture: np.ndarray, caption: Caption) -> np.ndarray:
    """Writes a caption along the lower edge.

    Args:
        picture: (H, W, 3) uint8, RGB; left as it is.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    width, height = image.size
    unit = height / 100
    margin, base = 4.5 * unit, height - 5 * unit
    large, small = ImageFont.load_default(8.5 * unit), ImageFont.load_default(3 * unit)

    count = str(caption.goals)
    draw.text((margin, base), count, fill=_INK, font=large, anchor="ls")
    beside = margin + draw.textlength(count, font=large) + 2 * unit
    words = "goal in a row" if caption.goals == 1 else "goals in a row"
    draw.text((beside, base - 4.4 * unit), words, fill=_FAINT, font=small, anchor="ls")
    _draw_pips(image, caption, beside, base - 3.2 * unit, unit)

    minutes, seconds = divmod(caption.time_s, 60)
    clock = f"{int(minutes)}:{seconds:04.1f}"
    left = caption.note or f"{np.degrees(caption.angle_rad):.0f}° to go"
    draw.text((width - margin, base), clock, fill=_INK, font=ImageFont.load_default(4.5 * unit), anchor="rs")
    draw.text((width - margin, base - 6 * unit), left, fill=_FAINT, font=small, anchor="rs")
    return np.asarray(image)


def _draw_pips(image: Image.Image, caption: Caption, left: float, top: float, unit: float) -> None:
    """One dot a goal, filled when reached, in rows of 25."""
    rows = -(-caption.goals_wanted // _PIPS_IN_A_ROW)
    size = min(1.6 * unit, 3.4 * unit / rows)
    pitch = 1.5 * size
    # Pillow draws round things without smooth edges: drawn larger, then shrunk.
    strip = (round(pitch * _PIPS_IN_A_ROW), round(pitch * rows))
    for color, first, last in ((_REACHED, 0, caption.goals), (_OPEN, caption.goals, caption.goals_wanted)):
        mask = Image.new("L", (strip[0] * _FINER, strip[1] * _FINER))
        draw = ImageDraw.Draw(mask)
        for index in range(first, last):
            row, column = divmod(index, _PIPS_IN_A_ROW)
            x, y = column * pitch * _FINER, row * pitch * _FINER
            draw.ellipse((x, y, x + size * _FINER, y + size * _FINER), fill=255)
        image.paste(color, (round(left), round(top)), mask.resize(strip, Image.Resampling.BOX))

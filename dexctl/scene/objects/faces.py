"""Faces that tell an orientation: each has a colour of its own and a white letter."""

from __future__ import annotations

import mujoco
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dexctl.profile import schema

FACES = ("+x", "-x", "+y", "-y", "+z", "-z")
# A prism has four sides more, between those of the block.
LETTERED = (*FACES, "+x+y", "-x+y", "-x-y", "+x-y")

TEXTURE = "object:texture"
MATERIAL = "object:material"
FACE_PX = 256

LETTER_PX = 190
# Quarter turns that stand each letter upright on MuJoCo's cube map: with +z up on the four sides,
# and with +y up on top and bottom.
_QUARTER_TURNS = {"+x": 1, "-x": -1, "+y": 2, "-y": 0, "+z": 0, "-z": 0}


def face_image(obj: schema.Object, face: str, letter_px: int = LETTER_PX) -> np.ndarray:
    """Draws one face as it looks from outside, its letter upright.

    Args:
        obj: colours and letters.
        face: one of ``obj.face_colors``.
        letter_px: height of a line of text.

    Returns:
        (256, 256, 3) uint8, RGB.
    """
    color = tuple(round(255 * channel) for channel in obj.face_colors[face])
    image = Image.new("RGB", (FACE_PX, FACE_PX), color)
    letter = obj.letters[LETTERED.index(face)]
    # The built-in font is regular; a stroke of its own colour makes it bold.
    font = ImageFont.load_default(letter_px)
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = draw.textbbox((0, 0), letter, font=font, stroke_width=letter_px // 28)
    corner = (FACE_PX - left - right) / 2, (FACE_PX - top - bottom) / 2
    draw.text(
        corner,
        letter,
        fill="white",
        font=font,
        stroke_width=letter_px // 28,
        stroke_fill="white",
    )
    return np.asarray(image)


def add_cube_map(spec: mujoco.MjSpec, obj: schema.Object) -> None:
    """Adds the lettered texture of six faces, drawn here, and its matte material."""
    faces = [np.rot90(face_image(obj, face), _QUARTER_TURNS[face]) for face in FACES]
    texture = spec.add_texture(
        name=TEXTURE,
        type=mujoco.mjtTexture.mjTEXTURE_CUBE,
        width=FACE_PX,
        height=6 * FACE_PX,
        nchannel=3,
    )
    texture.data = np.concatenate(faces).tobytes()
    add_matte(spec, MATERIAL)


def add_matte(spec: mujoco.MjSpec, name: str, opacity: float = 1.0) -> None:
    """Adds a matte material that shows the object's texture."""
    material = spec.add_material(name=name, rgba=(1, 1, 1, opacity), specular=0.1, shininess=0.3)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = TEXTURE

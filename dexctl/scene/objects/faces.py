"""What the hand holds, and its see-through twin that shows the goal.

The block is one box: its mass and inertia are those of a uniform cube. Each face carries its
colour and a white letter, so that an orientation can be read off a picture.
"""

from __future__ import annotations

import mujoco
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dexctl.profile import schema
from dexctl.scene import names

FACES = ("+x", "-x", "+y", "-y", "+z", "-z")

TEXTURE = "object:texture"
MATERIAL = "object:material"
TARGET_MATERIAL = "target:material"

_FACE_PX = 256
_LETTER_PX = 190
# Quarter turns that stand each letter upright on MuJoCo's cube map: with +z up on the four sides,
# and with +y up on top and bottom.
_QUARTER_TURNS = {"+x": 1, "-x": -1, "+y": 2, "-y": 0, "+z": 0, "-z": 0}

# Where the goal floats when nobody moves it: beside the hand, in sight of the camera `watch`.
_TARGET_OFFSET_M = (-0.12, -0.03, 0.04)
_TARGET_OPACITY = 0.5


def add_object(spec: mujoco.MjSpec, obj: schema.Object) -> None:
    """Adds the object: body, free joint and one box that the hand's geoms collide with.

    Args:
        spec: the scene; gains body and geom ``object``, joint ``object:joint``, one texture and one material.
        obj: size, mass, colours and friction.
    """
    _add_material(spec, obj)
    body = spec.worldbody.add_body(name=names.OBJECT, pos=obj.spawn_m)
    body.add_joint(
        name=names.OBJECT_JOINT,
        type=mujoco.mjtJoint.mjJNT_FREE,
        damping=obj.joint_damping,
    )
    # The hand's geoms have contype 1 and conaffinity 0: they meet this box and not each other.
    body.add_geom(
        name=names.OBJECT,
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=_half_size_m(obj),
        mass=obj.mass_kg,
        condim=4,
        friction=obj.friction,
        contype=1,
        conaffinity=1,
        material=MATERIAL,
    )


def add_target(spec: mujoco.MjSpec, obj: schema.Object) -> None:
    """Adds a half-transparent twin of the object as mocap body ``target``: no mass, no contacts.

    Args:
        spec: a scene that ``add_object`` was called on; gains body and geom ``target``.
        obj: the same object.
    """
    target = spec.add_material(
        name=TARGET_MATERIAL,
        rgba=(1, 1, 1, _TARGET_OPACITY),
        specular=0.1,
        shininess=0.3,
    )
    target.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = TEXTURE
    position_m = [spawn + offset for spawn, offset in zip(obj.spawn_m, _TARGET_OFFSET_M, strict=True)]
    body = spec.worldbody.add_body(name=names.TARGET, pos=position_m, mocap=True)
    body.add_geom(
        name=names.TARGET,
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=_half_size_m(obj),
        mass=0.0,
        contype=0,
        conaffinity=0,
        material=TARGET_MATERIAL,
    )


def face_image(obj: schema.Object, face: str) -> np.ndarray:
    """Draws one face as it looks from outside, its letter upright.

    Args:
        obj: colours and letters.
        face: one of ``FACES``.

    Returns:
        (256, 256, 3) uint8, RGB.
    """
    color = tuple(round(255 * channel) for channel in obj.face_colors[face])
    image = Image.new("RGB", (_FACE_PX, _FACE_PX), color)
    letter = obj.letters[FACES.index(face)]
    # The built-in font is regular; a stroke of its own colour makes it bold.
    font = ImageFont.load_default(_LETTER_PX)
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = draw.textbbox((0, 0), letter, font=font, stroke_width=_LETTER_PX // 28)
    corner = (_FACE_PX - left - right) / 2, (_FACE_PX - top - bottom) / 2
    draw.text(
        corner,
        letter,
        fill="white",
        font=font,
        stroke_width=_LETTER_PX // 28,
        stroke_fill="white",
    )
    return np.asarray(image)


def _add_material(spec: mujoco.MjSpec, obj: schema.Object) -> None:
    """Adds the lettered cube texture, drawn here, and its matte material."""
    faces = [np.rot90(face_image(obj, face), _QUARTER_TURNS[face]) for face in FACES]
    texture = spec.add_texture(
        name=TEXTURE,
        type=mujoco.mjtTexture.mjTEXTURE_CUBE,
        width=_FACE_PX,
        height=6 * _FACE_PX,
        nchannel=3,
    )
    texture.data = np.concatenate(faces).tobytes()
    material = spec.add_material(name=MATERIAL, specular=0.1, shininess=0.3)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = TEXTURE


def _half_size_m(obj: schema.Object) -> list[float]:
    return [obj.size_m / 2] * 3

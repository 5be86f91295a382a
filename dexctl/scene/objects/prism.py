"""The octagonal prism: four boxes for contacts, one textured mesh for the eye.

The boxes through its middle, each from one side to the one across and as wide as a side, fill the
prism exactly. Unlike a mesh, boxes can have another size in every simulation.
"""

from __future__ import annotations

import math

import mujoco
import numpy as np

from dexctl.profile import schema
from dexctl.scene.objects.faces import FACE_PX, LETTER_PX, MATERIAL, TEXTURE, add_matte, face_image

MESH = "object:mesh"
# By their angle about z, an eighth of a turn apart.
SIDES = ("+x", "+x+y", "+y", "-x+y", "-x", "-x-y", "-y", "+x-y")
FACES = (*SIDES, "+z", "-z")
SIDE_ANGLE_RAD = 2 * math.pi / len(SIDES)

# A side is 0.41 times as wide as it is high, so only the middle of its image is seen.
_SIDE_LETTER_PX = 135
# The texture is a grid of faces.
_COLUMNS, _ROWS = 4, 3
# Geoms of this group are not drawn.
_HIDDEN_GROUP = 3


def add_prism(body: mujoco.MjsBody, obj: schema.Object, name: str) -> None:
    """Gives a body the prism, standing on an octagon, with side 0 towards +x.

    Args:
        obj: ``size_m`` is both the width across flats and the height.
        name: of the mesh that is seen; ``add_prism_look`` made it.
    """
    across, along = obj.size_m / 2, obj.size_m / 2 * math.tan(SIDE_ANGLE_RAD / 2)
    body.add_geom(
        name=name,
        type=mujoco.mjtGeom.mjGEOM_MESH,
        meshname=MESH,
        mass=0.0,
        contype=0,
        conaffinity=0,
        material=MATERIAL,
    )
    for index in range(len(SIDES) // 2):
        half_turn = index * SIDE_ANGLE_RAD / 2
        body.add_geom(
            name=f"{name}:box{index}",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            size=[across, along, across],
            quat=[math.cos(half_turn), 0, 0, math.sin(half_turn)],
            mass=0.0,
            condim=4,
            contype=1,
            conaffinity=1,
            group=_HIDDEN_GROUP,
        )
    body.mass, body.ipos = obj.mass_kg, (0.0, 0.0, 0.0)
    body.inertia = inertia(obj.mass_kg, obj.size_m)
    body.explicitinertial = True


def inertia(mass_kg: float, size_m: float) -> list[float]:
    """Of a uniform octagonal prism about its centre, kg m2: x, y, z."""
    radius = size_m / 2 / math.cos(SIDE_ANGLE_RAD / 2)
    about_axis = mass_kg * radius**2 / 6 * (2 + math.cos(SIDE_ANGLE_RAD))
    across_axis = about_axis / 2 + mass_kg * size_m**2 / 12
    return [across_axis, across_axis, about_axis]


def add_prism_look(spec: mujoco.MjSpec, obj: schema.Object) -> None:
    """Adds the mesh, ten faces with a place each in one texture, and its matte material."""
    vertices, places, triangles = [], [], []
    for index, face in enumerate(FACES):
        corners = _corners(face)
        start = len(vertices)
        vertices += [point for point, _ in corners]
        places += [_place(index, on_face) for _, on_face in corners]
        triangles += [(start, start + one, start + one + 1) for one in range(1, len(corners) - 1)]
    mesh = spec.add_mesh(name=MESH, inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL)
    mesh.uservert = (np.array(vertices) * obj.size_m / 2).ravel()
    mesh.userface = np.array(triangles).ravel()
    mesh.usertexcoord = np.array(places).ravel()
    mesh.userfacetexcoord = np.array(triangles).ravel()
    images = [face_image(obj, face, _SIDE_LETTER_PX if face in SIDES else LETTER_PX) for face in FACES]
    images += [np.zeros_like(images[0])] * (_COLUMNS * _ROWS - len(images))
    grid = np.array(images).reshape(_ROWS, _COLUMNS, FACE_PX, FACE_PX, 3)
    texture = spec.add_texture(
        name=TEXTURE,
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        width=_COLUMNS * FACE_PX,
        height=_ROWS * FACE_PX,
        nchannel=3,
    )
    texture.data = np.ascontiguousarray(grid.transpose(0, 2, 1, 3, 4)).tobytes()
    add_matte(spec, MATERIAL)


def _corners(face: str) -> list[tuple[tuple[float, float, float], tuple[float, float]]]:
    """Corners of a face, counter-clockwise from outside: in units of half the width, and on the drawn face.

    On the face, x goes right and y up, both in [-1, 1], as one looks at it from outside.
    """
    half_side = math.tan(SIDE_ANGLE_RAD / 2)
    if face in SIDES:
        angle = SIDES.index(face) * SIDE_ANGLE_RAD
        outward, right = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))
        return [
            ((outward[0] + right[0] * x, outward[1] + right[1] * x, y), (x, y))
            for x, y in ((-half_side, -1.0), (half_side, -1.0), (half_side, 1.0), (-half_side, 1.0))
        ]
    radius = math.hypot(1.0, half_side)
    corners = [(index + 0.5) * SIDE_ANGLE_RAD for index in range(len(SIDES))]
    points = [(radius * math.cos(angle), radius * math.sin(angle)) for angle in corners]
    if face == "+z":
        return [((x, y, 1.0), (x, y)) for x, y in points]
    # Seen from below, with +y up, x goes left.
    return [((x, y, -1.0), (-x, y)) for x, y in reversed(points)]


def _place(index: int, on_face: tuple[float, float]) -> tuple[float, float]:
    """Where a point of a face lies in the texture, both in [0, 1]."""
    row, column = divmod(index, _COLUMNS)
    x, y = on_face
    return (column + (1 + x) / 2) / _COLUMNS, (row + (1 - y) / 2) / _ROWS

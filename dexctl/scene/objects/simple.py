"""Objects of one geom: the block and the sphere, whose mass and inertia are those of uniform bodies."""

from __future__ import annotations

import mujoco

from dexctl.profile import schema
from dexctl.scene.objects.faces import MATERIAL


def add_block(body: mujoco.MjsBody, obj: schema.Object, name: str) -> None:
    """Gives a body a cube, lettered on its six faces."""
    # The hand's geoms have contype 1 and conaffinity 0: they meet this one and not each other.
    body.add_geom(
        name=name,
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[obj.size_m / 2] * 3,
        mass=obj.mass_kg,
        condim=4,
        contype=1,
        conaffinity=1,
        material=MATERIAL,
    )


def add_sphere(body: mujoco.MjsBody, obj: schema.Object, name: str) -> None:
    """Gives a body a ball, patterned like the block: a coloured, lettered patch on each of six sides."""
    body.add_geom(
        name=name,
        type=mujoco.mjtGeom.mjGEOM_SPHERE,
        size=[obj.size_m / 2, 0, 0],
        mass=obj.mass_kg,
        # MuJoCo resists rolling in contacts of six dimensions alone.
        condim=6,
        contype=1,
        conaffinity=1,
        material=MATERIAL,
    )

"""What the hand holds, and its see-through twin that shows the goal."""

from __future__ import annotations

import mujoco

from dexctl.profile import schema
from dexctl.scene import names
from dexctl.scene.objects import faces
from dexctl.scene.objects.faces import FACES, face_image
from dexctl.scene.objects.mjcf import attach_body
from dexctl.scene.objects.prism import add_prism, add_prism_look
from dexctl.scene.objects.simple import add_block, add_sphere

__all__ = ["FACES", "add_object", "add_target", "face_image"]

TARGET_MATERIAL = "target:material"

# Where the goal floats when nobody moves it: beside the hand, in sight of the camera `watch`.
_TARGET_OFFSET_M = (-0.12, -0.03, 0.04)
_TARGET_OPACITY = 0.5


def add_object(spec: mujoco.MjSpec, obj: schema.Object) -> None:
    """Adds the object: body, free joint and the geoms that the hand's collide with.

    Args:
        spec: the scene; gains body ``object``, joint ``object:joint`` and what the object looks like.
        obj: kind, size, mass, colours and friction.

    Raises:
        ProfileError: the body that the profile names cannot be had.
    """
    if obj.kind in ("block", "sphere"):
        faces.add_cube_map(spec, obj)
    elif obj.kind == "prism":
        add_prism_look(spec, obj)
    body = _add_body(spec, obj, names.OBJECT, obj.spawn_m)
    body.add_joint(name=names.OBJECT_JOINT, type=mujoco.mjtJoint.mjJNT_FREE, damping=obj.joint_damping)
    for geom in body.find_all("geom"):
        geom.friction = obj.friction


def add_target(spec: mujoco.MjSpec, obj: schema.Object) -> None:
    """Adds a half-transparent twin of the object as mocap body ``target``: no mass, no contacts.

    Args:
        spec: a scene that ``add_object`` was called on; gains body and geom ``target``.
        obj: the same object.
    """
    position_m = (
        obj.spawn_m[0] + _TARGET_OFFSET_M[0],
        obj.spawn_m[1] + _TARGET_OFFSET_M[1],
        obj.spawn_m[2] + _TARGET_OFFSET_M[2],
    )
    body = _add_body(spec, obj, names.TARGET, position_m)
    body.mocap = True
    body.explicitinertial = False
    if obj.kind != "mjcf":
        faces.add_matte(spec, TARGET_MATERIAL, _TARGET_OPACITY)
    for geom in body.find_all("geom"):
        geom.contype = geom.conaffinity = 0
        geom.mass = 0.0
        if obj.kind == "mjcf":
            geom.rgba[3] = _TARGET_OPACITY
        else:
            geom.material = TARGET_MATERIAL


def _add_body(spec: mujoco.MjSpec, obj: schema.Object, name: str, position_m: schema.Vector) -> mujoco.MjsBody:
    if obj.kind == "mjcf":
        return attach_body(spec, obj.model, name, position_m)
    body = spec.worldbody.add_body(name=name, pos=position_m)
    if obj.kind == "block":
        add_block(body, obj, name)
    elif obj.kind == "sphere":
        add_sphere(body, obj, name)
    else:
        add_prism(body, obj, name)
    return body

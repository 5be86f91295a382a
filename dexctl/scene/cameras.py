"""Where the scene is seen from, and how it looks to people.

Nothing here takes part in physics: cameras, lights, colours, and a floor without contacts.
"""

from __future__ import annotations

from collections.abc import Mapping

import mujoco
import numpy as np

from dexctl.profile import schema
from dexctl.scene import names

WATCH = "watch"
KEY_LIGHT = "light:key"

# A portrait of hand and block, with room beside the block for the goal.
_WATCH_FROM_M = (1.33, 0.37, 0.63)
_WATCH_AT_M = (0.985, 0.905, 0.15)
_WATCH_FOV_DEG = 22.0

# Between palm and block, where lights point and where a free camera starts to turn around.
MIDDLE_M = (1.0, 0.92, 0.15)

_METAL = "look:metal"
_JOINTS = "look:joints"
_SKIN = "look:skin"
_FLOOR = "look:floor"


def add_cameras(spec: mujoco.MjSpec, cameras: Mapping[str, schema.Camera]) -> None:
    """Adds the profile's cameras, each under its own name, and ``watch`` for people."""
    for name, camera in cameras.items():
        spec.worldbody.add_camera(
            name=name, pos=camera.position_m, quat=camera.quaternion_wxyz, fovy=camera.vertical_fov_deg
        )
    spec.worldbody.add_camera(
        name=WATCH, pos=_WATCH_FROM_M, quat=look_at(_WATCH_FROM_M, _WATCH_AT_M), fovy=_WATCH_FOV_DEG
    )


def add_look(spec: mujoco.MjSpec, cameras: Mapping[str, schema.Camera]) -> None:
    """Adds the cameras, lights with soft shadows, a plain floor, and dresses the hand."""
    add_cameras(spec, cameras)
    _add_lights(spec)
    _add_surroundings(spec)
    _dress_hand(spec)


def point_of_view(camera: mujoco.MjvCamera) -> None:
    """Puts a viewer's free camera where ``watch`` stands; people turn it from there."""
    forward = np.subtract(_WATCH_AT_M, _WATCH_FROM_M)
    camera.type = mujoco.mjtCamera.mjCAMERA_FREE
    camera.lookat = _WATCH_AT_M
    camera.distance = np.linalg.norm(forward)
    camera.azimuth = np.degrees(np.arctan2(forward[1], forward[0]))
    camera.elevation = np.degrees(np.arcsin(forward[2] / camera.distance))


def look_at(eye_m: schema.Vector, target_m: schema.Vector) -> np.ndarray:
    """Orientation of a camera that sees a point in the middle of its picture, upright.

    Args:
        eye_m, target_m: world frame; the line between them must not be vertical.

    Returns:
        (4,) float64, wxyz. The camera looks along its own -z, with +y up.
    """
    back = np.subtract(eye_m, target_m)
    back = back / np.linalg.norm(back)
    right = np.cross((0.0, 0.0, 1.0), back)
    right = right / np.linalg.norm(right)
    up = np.cross(back, right)
    quaternion_wxyz = np.empty(4)
    mujoco.mju_mat2Quat(quaternion_wxyz, np.stack([right, up, back], axis=1).ravel())
    return quaternion_wxyz


def _add_lights(spec: mujoco.MjSpec) -> None:
    """A warm key light with shadows, a cool fill from the other side, a rim from behind."""
    spec.visual.headlight.ambient = [0.30, 0.30, 0.31]
    spec.visual.headlight.diffuse = [0.20, 0.20, 0.20]
    spec.visual.headlight.specular = [0.0, 0.0, 0.0]
    spec.visual.quality.shadowsize = 2048
    spec.visual.quality.offsamples = 4
    for name, place, diffuse, specular in (
        (KEY_LIGHT, (1.75, 0.05, 1.60), (0.66, 0.64, 0.61), 0.5),
        ("light:fill", (-0.3, 0.3, 0.9), (0.15, 0.17, 0.20), 0.0),
        ("light:rim", (0.5, 2.2, 1.0), (0.20, 0.21, 0.23), 0.6),
    ):
        spec.worldbody.add_light(
            name=name,
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
            pos=place,
            dir=np.subtract(MIDDLE_M, place),
            castshadow=name == KEY_LIGHT,
            diffuse=diffuse,
            specular=[specular] * 3,
        )


def _add_surroundings(spec: mujoco.MjSpec) -> None:
    """A plain, bright room without corners."""
    spec.stat.center = MIDDLE_M
    spec.stat.extent = 0.5
    spec.visual.global_.fovy = _WATCH_FOV_DEG
    spec.visual.map.znear = 0.02
    spec.visual.map.zfar = 30.0
    spec.visual.map.shadowclip = 2.5
    spec.visual.map.haze = 0.3
    spec.visual.rgba.haze = [0.93, 0.95, 0.97, 1]
    for texture in list(spec.textures):
        if texture.type == mujoco.mjtTexture.mjTEXTURE_SKYBOX:
            spec.delete(texture)
    spec.add_texture(
        name="look:sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        width=256,
        height=1536,
        rgb1=[0.93, 0.95, 0.97],
        rgb2=[0.85, 0.88, 0.91],
    )
    spec.add_material(name=_FLOOR, rgba=[0.80, 0.81, 0.83, 1], specular=0.0, shininess=0.0, reflectance=0.0)
    spec.worldbody.add_geom(
        name=_FLOOR,
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        pos=[1, 1, 0],
        size=[0, 0, 0.1],
        material=_FLOOR,
        contype=0,
        conaffinity=0,
    )


def _dress_hand(spec: mujoco.MjSpec) -> None:
    """Dark metal, lighter joints, pale fingertips."""
    spec.add_material(name=_METAL, rgba=[0.17, 0.18, 0.20, 1], specular=0.5, shininess=0.45)
    spec.add_material(name=_JOINTS, rgba=[0.40, 0.41, 0.43, 1], specular=0.6, shininess=0.5)
    spec.add_material(name=_SKIN, rgba=[0.72, 0.69, 0.65, 1], specular=0.15, shininess=0.2)
    for geom in spec.geoms:
        if not geom.name.startswith(names.in_model("V_")):
            continue
        if geom.name.endswith("distal"):
            geom.material = _SKIN
        elif geom.name.endswith(("knuckle", "wrist", "middle")):
            geom.material = _JOINTS
        else:
            geom.material = _METAL

"""The scene that is pictured: hand, object, a table behind them, and nothing that is only for people."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import mujoco
import numpy as np

from dexctl.profile import schema
from dexctl.randomize.appearance import NUM_PATTERNS
from dexctl.scene import names
from dexctl.scene.build import Scene, build_scene
from dexctl.vision.rendering.surface import pattern, thin

_TABLE = "picture:table"
_LIGHT = "picture:light"
_TABLE_HALF_M = 1.5
_PATTERNS_A_METER = 3.0
# The forearm is rough and far from the object: it bears coarser cells.
_FOREARM_CELLS = 2.5
# A letter is drawn in so many texture pixels for each sample of the picture.
_TEXELS_A_SAMPLE = 2.0
_LEAST_FACE_PX = 32
_SHADOW_HALF_M = 0.35
# MuJoCo draws geoms of these groups; what only collides is in others.
_DRAWN_GROUPS = (0, 1, 2)
_RGB = int(mujoco.mjtTextureRole.mjTEXROLE_RGB)


@dataclasses.dataclass(frozen=True)
class Subject:
    """A compiled scene for pictures, and what in it changes from one to the next.

    Attributes:
        robot_materials: ids, one for each kind of part of the hand.
        object_materials: ids; object_texture: id, or -1.
        object_geoms: ids of the object's geoms that are seen.
        table_material: id of what lies behind.
        flat_patterns, round_patterns: texture ids of the patterns, for the table and for the hand.
        lights: ids.
    """

    model: mujoco.MjModel
    object_qpos: int
    robot_materials: np.ndarray
    object_materials: np.ndarray
    object_texture: int
    object_geoms: np.ndarray
    table_material: int
    flat_patterns: np.ndarray
    round_patterns: np.ndarray
    lights: np.ndarray

    def paint(self, look: Mapping[str, np.ndarray]) -> None:
        """Puts colours and patterns of one state's appearance into the model's materials."""
        self.model.mat_rgba[self.robot_materials, :3] = look["robot_color"]
        pattern = look["robot_pattern"]
        self.model.mat_texid[self.robot_materials, _RGB] = np.where(pattern < 0, -1, self.round_patterns[pattern])
        self.model.mat_rgba[self.table_material, :3] = look["background_color"]
        behind = int(look["background_pattern"])
        self.model.mat_texid[self.table_material, _RGB] = -1 if behind < 0 else self.flat_patterns[behind]


def build_subject(profile: schema.Profile, size_px: int) -> Subject:
    """Builds the scene of a profile for pictures of a size.

    Args:
        size_px: edge of a picture; surfaces and letters are as fine as it can show.
    """
    scene = build_scene(profile)
    spec = scene.spec
    pixel_m = _pixel_m(profile, size_px)
    _strip(spec)
    dressed = _dress_hand(scene, profile.render.detail_px * pixel_m)
    if profile.object.kind != "mjcf":
        _shrink_texture(spec, profile.object.size_m / pixel_m * profile.render.samples * _TEXELS_A_SAMPLE)
    _add_table(spec)
    _add_patterns(spec)
    _add_lights(spec, profile)
    spec.stat.center = profile.object.spawn_m
    spec.stat.extent = 1.0
    spec.visual.map.znear, spec.visual.map.zfar = 0.05, 10.0
    spec.visual.map.shadowclip = _SHADOW_HALF_M
    spec.visual.quality.shadowsize = profile.render.shadow_px
    spec.visual.quality.offsamples = 0
    spec.visual.headlight.active = 0
    model = spec.compile()
    return _find(model, names.OBJECT, dressed, scene.object_qpos)


def _pixel_m(profile: schema.Profile, size_px: int) -> float:
    """How much of the scene the sharpest camera sees in a pixel, at the object."""
    spawn = np.array(profile.object.spawn_m)
    return min(
        2.0
        * math.tan(math.radians(camera.vertical_fov_deg) / 2.0)
        * float(np.linalg.norm(spawn - camera.position_m))
        / size_px
        for camera in profile.cameras.values()
    )


def _strip(spec: mujoco.MjSpec) -> None:
    """Takes away what is never seen and only costs time."""
    for sensor in list(spec.sensors):
        spec.delete(sensor)
    for light in list(spec.lights):
        spec.delete(light)
    for texture in list(spec.textures):
        if texture.type == mujoco.mjtTexture.mjTEXTURE_SKYBOX:
            spec.delete(texture)


def _dress_hand(scene: Scene, cell_m: float) -> list[str]:
    """Gives each kind of part of the hand a material of its own and a thinner surface; the materials' names."""
    spec, model = scene.spec, scene.model
    materials: dict[str, str] = {}
    for geom in spec.geoms:
        if geom.id in scene.object_geoms or geom.group not in _DRAWN_GROUPS:
            continue
        part = geom.meshname or geom.name or geom.parent.name
        if part not in materials:
            materials[part] = f"picture:{part}"
            material = spec.add_material(name=materials[part])
            material.texuniform = True
            if geom.meshname and cell_m > 0:
                _add_thin(spec, model, geom.meshname, cell_m)
        geom.material = materials[part]
        geom.rgba = (0.5, 0.5, 0.5, 1.0)
        if geom.meshname and cell_m > 0:
            # A compiled mesh stands in its own frame, and the geom in the body's accordingly.
            geom.pos, geom.quat = model.geom_pos[geom.id], model.geom_quat[geom.id]
            geom.meshname = _thin_name(geom.meshname)
    return list(materials.values())


def _add_thin(spec: mujoco.MjSpec, model: mujoco.MjModel, name: str, cell_m: float) -> None:
    mesh = model.mesh(name)
    vertices = model.mesh_vert[mesh.vertadr[0] : mesh.vertadr[0] + mesh.vertnum[0]]
    faces = model.mesh_face[mesh.faceadr[0] : mesh.faceadr[0] + mesh.facenum[0]]
    cells = _FOREARM_CELLS if name == names.in_model("forearm") else 1.0
    vertices, faces = thin(vertices.astype(np.float64), faces, cells * cell_m)
    added = spec.add_mesh(name=_thin_name(name), inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL)
    added.uservert = vertices.ravel()
    added.userface = faces.ravel()


def _thin_name(mesh: str) -> str:
    return f"picture:{mesh}"


def _shrink_texture(spec: mujoco.MjSpec, wanted_px: float) -> None:
    """Halves the object's texture while a face keeps ``wanted_px``: it is painted anew for each picture."""
    from dexctl.scene.objects.faces import FACE_PX, TEXTURE

    texture = spec.texture(TEXTURE)
    factor = 1
    while FACE_PX // (2 * factor) >= max(wanted_px, _LEAST_FACE_PX):
        factor *= 2
    pixels = np.frombuffer(texture.data, np.uint8).reshape(texture.height, texture.width, 3)
    height, width = texture.height // factor, texture.width // factor
    smaller = pixels.reshape(height, factor, width, factor, 3).mean(axis=(1, 3))
    texture.height, texture.width = height, width
    texture.data = (smaller + 0.5).astype(np.uint8).tobytes()


def _add_table(spec: mujoco.MjSpec) -> None:
    repeat = 2.0 * _TABLE_HALF_M * _PATTERNS_A_METER
    spec.add_material(name=_TABLE, texrepeat=[repeat, repeat], specular=0.0, shininess=0.0)
    spec.worldbody.add_geom(
        name=_TABLE,
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        pos=[1, 1, 0],
        # The third number is how far apart the lines of its grid are: light needs few of them.
        size=[_TABLE_HALF_M, _TABLE_HALF_M, _TABLE_HALF_M],
        material=_TABLE,
        contype=0,
        conaffinity=0,
    )


def _add_patterns(spec: mujoco.MjSpec) -> None:
    for index in range(NUM_PATTERNS):
        pixels = pattern(index)
        flat = spec.add_texture(name=f"picture:flat{index}", type=mujoco.mjtTexture.mjTEXTURE_2D)
        flat.width, flat.height, flat.nchannel = pixels.shape[1], pixels.shape[0], 3
        flat.data = pixels.tobytes()
        around = spec.add_texture(name=f"picture:round{index}", type=mujoco.mjtTexture.mjTEXTURE_CUBE)
        around.width, around.height, around.nchannel = pixels.shape[1], 6 * pixels.shape[0], 3
        around.data = np.concatenate([pixels] * 6).tobytes()


def _add_lights(spec: mujoco.MjSpec, profile: schema.Profile) -> None:
    for index in range(profile.randomize.appearance.num_lights[1]):
        spec.worldbody.add_light(
            name=f"{_LIGHT}{index}",
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
            pos=profile.object.spawn_m,
            castshadow=False,
        )


def _find(model: mujoco.MjModel, object_body: str, dressed: list[str], object_qpos: int) -> Subject:
    bodies = {model.body(object_body).id}
    for body in range(model.nbody):
        if model.body_parentid[body] in bodies:
            bodies.add(body)
    geoms = [geom for geom in range(model.ngeom) if model.geom_bodyid[geom] in bodies]
    materials = sorted({int(model.geom_matid[geom]) for geom in geoms} - {-1})
    textures = sorted({int(model.mat_texid[material, _RGB]) for material in materials} - {-1})
    return Subject(
        model=model,
        object_qpos=object_qpos,
        robot_materials=np.array([model.material(name).id for name in dressed], dtype=np.int64),
        object_materials=np.array(materials, dtype=np.int64),
        object_texture=textures[0] if len(textures) == 1 else -1,
        object_geoms=np.array(geoms),
        table_material=model.material(_TABLE).id,
        flat_patterns=np.array([model.texture(f"picture:flat{index}").id for index in range(NUM_PATTERNS)]),
        round_patterns=np.array([model.texture(f"picture:round{index}").id for index in range(NUM_PATTERNS)]),
        lights=np.arange(model.nlight),
    )

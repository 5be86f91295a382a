"""The other objects: the prism's ten faces, the ball, and a body from a file of one's own."""

import math

import msgspec
import mujoco
import numpy as np
import pytest

from dexctl.errors import ProfileError
from dexctl.physics.cpu import CpuPhysics
from dexctl.profile.load import load
from dexctl.randomize.dynamics import Dynamics
from dexctl.scene import names, objects
from dexctl.scene.build import build_scene
from dexctl.scene.objects.prism import FACES, MESH, SIDES
from dexctl.scene.picture import Painter

PRISM, BALL = (load(name, (), {}).profile.object for name in ("prism", "sphere"))
# Letters that look like themselves in one way alone.
LETTERED = msgspec.structs.replace(PRISM, letters="FGJLPR2457")
HALF_M = 0.057 / 2
SIDE_PX = 96
# An eighth of a turn apart, and the two ends.
NORMALS = {name: (math.cos(i * math.pi / 4), math.sin(i * math.pi / 4), 0.0) for i, name in enumerate(SIDES)} | {
    "+z": (0.0, 0.0, 1.0),
    "-z": (0.0, 0.0, -1.0),
}

HAMMER = """
<mujoco>
  <worldbody>
    <body name="hammer" pos="3 0 0" quat="0 1 0 0">
      <freejoint/>
      <geom type="capsule" size="0.008 0.04" mass="0.02"/>
      <body pos="0 0 0.04"><geom type="box" size="0.02 0.01 0.01" mass="0.05" friction="9 9 9"/></body>
    </body>
    <body name="other" pos="5 0 0"><geom size="1"/></body>
  </worldbody>
</mujoco>
"""
WRONG = {
    "moving parts": HAMMER.replace('<body pos="0 0 0.04">', '<body pos="0 0 0.04"><joint/>'),
    "no body": "<mujoco/>",
    "nothing can touch": HAMMER.replace("<geom", '<geom contype="0" conaffinity="0"'),
    "XML": "no model",
    "nowhere.stl": '<mujoco><asset><mesh name="m" file="nowhere.stl"/></asset><worldbody><body>'
    '<geom type="mesh" mesh="m"/></body></worldbody></mujoco>',
    "mass": '<mujoco><worldbody><body><geom size="1" mass="0"/></body></worldbody></mujoco>',
}
TETRAHEDRON = """
<mujoco>
  <asset><mesh name="m" vertex="0 0 0 .05 0 0 0 .05 0 0 0 .05"/></asset>
  <worldbody><body><geom type="mesh" mesh="m"/></body></worldbody>
</mujoco>
"""


def scene_of(obj):
    """The object alone, compiled."""
    spec = mujoco.MjSpec()
    objects.add_object(spec, obj)
    return spec.compile()


def from_file(tmp_path, text, *settings):
    (tmp_path / "object.xml").write_text(text)
    own = ('object.kind="mjcf"', f"object.model='{tmp_path}/object.xml'", "object.size_m=0", "object.mass_kg=0")
    return load("block-paper", [*own, *settings], {}).profile


def test_the_prism_is_57_mm_across_its_flats_and_high_and_its_boxes_are_it():
    model = scene_of(PRISM)
    corners = []
    for geom in range(model.ngeom):
        if model.geom_contype[geom]:
            signs = np.stack(np.meshgrid(*[(-1, 1)] * 3), axis=-1).reshape(-1, 3)
            turned = np.empty(9)
            mujoco.mju_quat2Mat(turned, model.geom_quat[geom])
            corners.append(model.geom_pos[geom] + signs * model.geom_size[geom] @ turned.reshape(3, 3).T)
    reach = np.concatenate(corners) @ np.array(list(NORMALS.values())).T
    np.testing.assert_allclose(reach.max(axis=0), HALF_M, atol=1e-12)
    # On each side of the octagon lie as many corners as a side has: the boxes' ends are its sides.
    assert ((np.abs(reach - HALF_M) < 1e-9).sum(axis=0)[:8] >= 4).all()
    seen = model.mesh(MESH)
    vertices = model.mesh_vert[seen.vertadr[0] : seen.vertadr[0] + seen.vertnum[0]]
    turned = np.empty(9)
    mujoco.mju_quat2Mat(turned, model.mesh_quat[seen.id])
    vertices = vertices @ turned.reshape(3, 3).T + model.mesh_pos[seen.id]
    np.testing.assert_allclose((vertices @ np.array(list(NORMALS.values())).T).max(axis=0), HALF_M, atol=1e-7)


def test_the_prism_weighs_and_turns_like_a_uniform_one():
    body = scene_of(PRISM).body(names.OBJECT)
    assert body.mass[0] == pytest.approx(0.0646)
    radius = HALF_M / math.cos(math.pi / 8)
    corners = [(radius * math.cos(a), radius * math.sin(a)) for a in np.arange(8) * math.pi / 4 + math.pi / 8]
    spec = mujoco.MjSpec()
    mesh = spec.add_mesh(name="solid")
    mesh.uservert = np.array([(x, y, z) for z in (-HALF_M, HALF_M) for x, y in corners]).ravel()
    spec.worldbody.add_body(name="solid").add_geom(type=mujoco.mjtGeom.mjGEOM_MESH, meshname="solid", mass=0.0646)
    solid = spec.compile().body("solid").inertia
    np.testing.assert_allclose(sorted(body.inertia), sorted(solid), rtol=1e-5)
    # The axis through the octagons is the one that differs.
    assert abs(body.inertia[0] - body.inertia[1]) < 1e-12 < abs(body.inertia[2] - body.inertia[0])


@pytest.fixture(scope="module")
def faces_seen():
    """A picture of each of the prism's faces, seen straight on under even light."""
    spec = mujoco.MjSpec()
    objects.add_object(spec, LETTERED)
    spec.visual.headlight.ambient, spec.visual.headlight.diffuse = [1, 1, 1], [0, 0, 0]
    spec.visual.headlight.specular = [0, 0, 0]
    spec.visual.map.znear = 0.01
    above = np.add(PRISM.spawn_m, (0, 0, 0.2))
    spec.worldbody.add_camera(name="above", pos=above, proj=mujoco.mjtProjection.mjPROJ_ORTHOGRAPHIC, fovy=PRISM.size_m)
    model = spec.compile()
    data, pictures = mujoco.MjData(model), {}
    with Painter(model, SIDE_PX, SIDE_PX, "above") as painter:
        for face, outward in NORMALS.items():
            up = (0, 1, 0) if face in ("+z", "-z") else (0, 0, 1)
            # The turn that brings a face up, and what is above on it away from the viewer's feet.
            turned = np.stack([np.cross(up, outward), up, outward])
            mujoco.mju_mat2Quat(data.qpos[3:7], turned.astype(float).ravel())
            mujoco.mj_forward(model, data)
            # A side is two fifths as wide as it is high.
            pictures[face] = painter.paint(data)[:, 30:66]
    return pictures


def ink(picture):
    return (picture.min(axis=2) > 170).astype(float)


def drawn(face):
    picture = objects.face_image(LETTERED, face, 190 if face in ("+z", "-z") else 135)
    step = len(picture) / SIDE_PX
    rows = (np.arange(SIDE_PX) * step + step / 2).astype(int)
    return picture[rows][:, rows][:, 30:66]


@pytest.mark.parametrize("face", FACES)
def test_each_of_the_prism_s_ten_faces_shows_its_own_letter_upright_on_its_own_color(faces_seen, face):
    seen = faces_seen[face]
    distance = {
        (other, mirrored, turned): np.abs(ink(seen) - turn(ink(drawn(other)), mirrored, turned)).mean()
        for other in FACES
        for mirrored in (False, True)
        for turned in (False, True)
    }
    best = min(distance, key=distance.__getitem__)
    assert best == (face, False, False)
    assert distance[best] < 0.03
    np.testing.assert_allclose(seen[3:8].reshape(-1, 3).mean(axis=0) / 255, PRISM.face_colors[face], atol=0.02)


def turn(letter, mirrored, turned):
    letter = letter[:, ::-1] if mirrored else letter
    return letter[::-1, ::-1] if turned else letter


def test_no_two_faces_of_the_prism_have_a_letter_or_a_color_in_common():
    assert len(set(PRISM.letters)) == len(FACES) == 10
    colors = np.array(list(PRISM.face_colors.values()))
    apart = np.linalg.norm(colors[:, None] - colors, axis=-1) + np.eye(10)
    assert apart.min() > 0.2


def test_the_ball_is_round_rolls_against_a_resistance_and_weighs_like_a_uniform_one():
    model = scene_of(BALL)
    (geom,) = range(model.ngeom)
    assert model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_SPHERE
    assert model.geom_size[geom, 0] == pytest.approx(HALF_M)
    # MuJoCo resists rolling in contacts of six dimensions alone.
    assert model.geom_condim[geom] == 6
    assert model.geom_friction[geom, 2] == BALL.friction[2] > 0
    body = model.body(names.OBJECT)
    assert body.mass[0] == pytest.approx(0.0408)
    np.testing.assert_allclose(body.inertia, 0.4 * 0.0408 * HALF_M**2, rtol=1e-6)


def test_a_body_of_one_s_own_is_held_whole_with_its_own_size_and_mass(tmp_path):
    profile = from_file(tmp_path, HAMMER, "object.friction=[0.7,0.006,0.0002]")
    scene = build_scene(profile)
    model = scene.model
    assert len(scene.object_bodies) == len(scene.object_geoms) == 2
    assert model.body_subtreemass[scene.object_body] == pytest.approx(0.07)
    np.testing.assert_allclose(model.geom_friction[scene.object_geoms], [(0.7, 0.006, 0.0002)] * 2)
    np.testing.assert_allclose(model.qpos0[scene.object_qpos :][:7], (*profile.object.spawn_m, 1, 0, 0, 0))
    assert not any("other" in model.body(body).name for body in range(model.nbody))
    # Each nail's box senses both of its parts.
    pairs = [model.pair(pair).name for pair in range(model.npair)]
    parts = [model.geom(int(geom)).name for geom in scene.object_geoms]
    assert all(f"occlusion_ff:{part}" in pairs for part in parts)


def test_the_goal_s_twin_of_a_body_of_one_s_own_touches_nothing(tmp_path):
    model = build_scene(from_file(tmp_path, HAMMER), pictures=True).model
    twin = model.body(names.TARGET).id
    geoms = [geom for geom in range(model.ngeom) if model.body_rootid[model.geom_bodyid[geom]] == twin]
    assert len(geoms) == 2
    assert not model.geom_contype[geoms].any()
    assert not model.geom_conaffinity[geoms].any()


@pytest.mark.parametrize("told", WRONG)
def test_a_file_that_is_no_rigid_body_is_refused_with_its_key(tmp_path, told):
    with pytest.raises(ProfileError, match=rf"object\.model: .*object\.xml.*{told}"):
        build_scene(from_file(tmp_path, WRONG[told]))


def test_an_object_that_touches_with_a_mesh_has_one_size_alone(tmp_path):
    for settings in ((), ("randomize.physics.object_scale=1.0",), ("randomize.physics.on=false",)):
        profile = from_file(tmp_path, TETRAHEDRON, *settings)
        scene = build_scene(profile)
        physics = CpuPhysics(scene, 1, profile.physics)
        if settings:
            Dynamics(profile.randomize.physics, scene, physics)
            continue
        with pytest.raises(ProfileError, match=r"randomize\.physics\.object_scale.*mesh") as error:
            Dynamics(profile.randomize.physics, scene, physics)
        assert error.value.code == 78


@pytest.mark.parametrize("key", ["size_m", "mass_kg"])
def test_what_a_file_says_of_its_body_is_not_said_twice(tmp_path, key):
    with pytest.raises(ProfileError, match=rf"object\.{key}: expected it to be left out") as error:
        from_file(tmp_path, HAMMER, f"object.{key}=0.05")
    assert error.value.remedy == f"Where it is inherited, {key} = 0 leaves it out."

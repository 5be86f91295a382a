"""The block: its mass, its faces, and a goal that only people see."""

import msgspec
import mujoco
import numpy as np
import pytest

from dexctl.profile.load import load
from dexctl.scene import names, objects
from dexctl.scene.build import build_scene
from dexctl.scene.picture import Painter

PROFILE = load("block").profile
BLOCK = PROFILE.object
# Letters that look like themselves in one way alone, unlike O, N and I.
ASYMMETRIC = msgspec.structs.replace(BLOCK, letters="FGJLPR")

# For each face, where it lies, and which way is up in its picture.
LOOKS = {
    "+x": ((1, 0, 0), (0, 0, 1)),
    "-x": ((-1, 0, 0), (0, 0, 1)),
    "+y": ((0, 1, 0), (0, 0, 1)),
    "-y": ((0, -1, 0), (0, 0, 1)),
    "+z": ((0, 0, 1), (0, 1, 0)),
    "-z": ((0, 0, -1), (0, 1, 0)),
}
SIDE_PX = 128


@pytest.fixture(scope="module")
def scene():
    return build_scene(PROFILE)


def test_block_weighs_and_turns_like_a_uniform_cube(scene):
    block = scene.model.body(names.OBJECT)
    assert block.mass[0] == pytest.approx(0.078)
    np.testing.assert_allclose(block.inertia, 4.22e-5, rtol=2e-3)


def test_hand_weighs_five_kilograms(scene):
    hand = scene.model.body(names.in_model("hand mount"))
    assert scene.model.body_subtreemass[hand.id] == pytest.approx(5.01, abs=0.005)


def test_block_meets_every_collision_geom_of_the_hand(scene):
    model = scene.model
    block = model.geom(names.OBJECT)
    for geom in map(model.geom, range(model.ngeom)):
        if geom.name.startswith(names.in_model("C_")):
            assert geom.contype[0] & block.conaffinity[0], geom.name


@pytest.fixture(scope="module")
def face_pictures():
    """A picture of each face, seen straight on under even light, filling the frame."""
    spec = mujoco.MjSpec()
    objects.add_object(spec, ASYMMETRIC)
    spec.visual.headlight.ambient = [1, 1, 1]
    spec.visual.headlight.diffuse = [0, 0, 0]
    spec.visual.headlight.specular = [0, 0, 0]
    spec.visual.map.znear = 0.01
    above = np.add(BLOCK.spawn_m, (0, 0, 0.2))
    spec.worldbody.add_camera(name="above", pos=above, proj=mujoco.mjtProjection.mjPROJ_ORTHOGRAPHIC, fovy=BLOCK.size_m)
    model = spec.compile()
    data, pictures = mujoco.MjData(model), {}
    with Painter(model, SIDE_PX, SIDE_PX, "above") as painter:
        for face, (outward, up) in LOOKS.items():
            turned = np.stack([np.cross(up, outward), up, outward])
            mujoco.mju_mat2Quat(data.qpos[3:7], turned.astype(float).ravel())
            mujoco.mj_forward(model, data)
            pictures[face] = painter.paint(data)
    return pictures


def ink(picture):
    """Where the letter is: (H, W) float in {0, 1}."""
    return (picture.min(axis=2) > 170).astype(float)


def expected(face):
    """The face as drawn, at the pictures' size."""
    drawn = objects.face_image(ASYMMETRIC, face)
    step = len(drawn) // SIDE_PX
    return drawn[step // 2 :: step, step // 2 :: step]


@pytest.mark.parametrize("face", LOOKS)
def test_every_face_shows_its_own_letter_upright_and_never_mirrored(face_pictures, face):
    seen = ink(face_pictures[face])
    drawings = {
        (other, turns, mirrored): np.rot90(glyph[:, ::-1] if mirrored else glyph, turns)
        for other in LOOKS
        for glyph in [ink(expected(other))]
        for turns in range(4)
        for mirrored in (False, True)
    }
    distance = {key: np.abs(seen - drawing).mean() for key, drawing in drawings.items()}
    best = min(distance, key=distance.__getitem__)
    assert best == (face, 0, False)
    assert distance[best] < 0.02
    assert all(other > 0.03 for key, other in distance.items() if key != best)


@pytest.mark.parametrize("face", LOOKS)
def test_every_face_has_its_measured_color(face_pictures, face):
    corner = face_pictures[face][4:12, 4:12].reshape(-1, 3).mean(axis=0) / 255
    np.testing.assert_allclose(corner, BLOCK.face_colors[face], atol=0.02)


def test_letters_differ():
    assert len(set(BLOCK.letters)) == len(objects.FACES) == len(BLOCK.letters)


def test_target_and_pictures_change_no_bit_of_the_physics():
    plain, pictures = build_scene(PROFILE), build_scene(PROFILE, pictures=True)
    assert pictures.model.body(names.TARGET).mass[0] == 0.0
    low, high = plain.model.actuator_ctrlrange.T
    trajectories = []
    for model in (plain.model, pictures.model):
        data = mujoco.MjData(model)
        generator = np.random.default_rng(7)
        states = []
        for _ in range(60):
            data.ctrl[:] = generator.uniform(low, high)
            if model.nmocap:
                data.mocap_pos[0] = generator.normal(size=3)
            else:
                generator.normal(size=3)
            mujoco.mj_step(model, data, 10)
            states.append(np.concatenate([data.qpos, data.qvel]))
        trajectories.append(np.stack(states))
    np.testing.assert_array_equal(*trajectories)

"""Every renderer draws the same scene: where the block is, what its faces show, and what each parameter changes."""

import mujoco
import numpy as np
import pytest
import torch

from dexctl import randomness
from dexctl.errors import UnavailableError
from dexctl.profile.load import load
from dexctl.scene.build import build_scene
from dexctl.vision.rendering.classic import average
from dexctl.vision.rendering.renderer import open_renderer

SIZE_PX = 48
PLAIN = ["randomize.appearance.on=false", "randomize.appearance.texture=0.0", "render.samples=2"]


@pytest.fixture(scope="module", params=["classic", pytest.param("filament", marks=pytest.mark.slow)])
def renderer(request):
    profile = load("block-paper", [*PLAIN, "render.detail_px=2.0"], {}).profile
    try:
        with open_renderer(request.param, profile, SIZE_PX) as opened:
            yield opened
    except UnavailableError:
        # Vulkan is for testing estimators alone; GL is needed.
        if request.param == "classic":
            raise
        pytest.skip("no Vulkan here")


@pytest.fixture(scope="module")
def scene():
    return build_scene(load("block-paper", [], {}).profile)


@pytest.fixture
def qpos(scene):
    return resting(scene)


def resting(scene, position=(1.0, 0.87, 0.2), quaternion=(1.0, 0.0, 0.0, 0.0)):
    qpos = scene.model.qpos0.copy()
    qpos[scene.object_qpos : scene.object_qpos + 7] = (*position, *quaternion)
    return qpos[None]


def look(renderer, **changed):
    drawn = renderer.look.draw(randomness.key(0))
    for name, value in changed.items():
        drawn[name] = np.broadcast_to(np.asarray(value, drawn[name].dtype), drawn[name].shape).copy()
    return drawn


def project(profile_camera, point):
    turn = np.empty(9)
    mujoco.mju_quat2Mat(turn, np.array(profile_camera.quaternion_wxyz) / np.linalg.norm(profile_camera.quaternion_wxyz))
    seen = turn.reshape(3, 3).T @ (np.array(point) - profile_camera.position_m)
    scale = SIZE_PX / 2 / np.tan(np.radians(profile_camera.vertical_fov_deg) / 2)
    return SIZE_PX / 2 + scale * seen[0] / -seen[2], SIZE_PX / 2 - scale * seen[1] / -seen[2]


def test_pictures_have_their_shape_and_type(renderer, qpos):
    pictures = renderer.draw(
        np.repeat(qpos, 2, axis=0), {n: np.repeat(v, 2, axis=0) for n, v in look(renderer).items()}
    )
    assert pictures.shape == (2, 3, SIZE_PX, SIZE_PX, 3)
    assert pictures.dtype == np.uint8
    # Filament dithers, each frame another way.
    assert np.abs(pictures[0].astype(int) - pictures[1]).mean() < 1


def test_every_camera_sees_the_block_where_geometry_says(renderer, scene):
    here, gone = (1.0, 0.87, 0.2), (1.0, 0.87, -0.5)
    with_block = renderer.draw(resting(scene, here), look(renderer)).astype(int)[0]
    without = renderer.draw(resting(scene, gone), look(renderer)).astype(int)[0]
    for index, camera in enumerate(renderer.look.profile.cameras.values()):
        changed = np.abs(with_block[index] - without[index]).max(axis=-1) > 24
        rows, columns = np.nonzero(changed)
        assert len(rows) > 30
        x, y = project(camera, here)
        assert np.median(columns) == pytest.approx(x, abs=3.5)
        assert np.median(rows) == pytest.approx(y, abs=3.5)


def test_turning_the_block_shows_other_faces(renderer, scene):
    half = np.sqrt(0.5)
    faces = []
    for quaternion in ((1, 0, 0, 0), (half, half, 0, 0), (0, 1, 0, 0), (half, -half, 0, 0), (half, 0, half, 0)):
        picture = renderer.draw(resting(scene, quaternion=quaternion), look(renderer, ambient=8.0))[0, 0]
        x, y = project(next(iter(renderer.look.profile.cameras.values())), (1.0, 0.87, 0.2 + 0.0285))
        faces.append(picture[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3].reshape(-1, 3).astype(int))
    for index, one in enumerate(faces):
        assert all(np.abs(np.median(one, axis=0) - np.median(other, axis=0)).max() > 10 for other in faces[:index])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("robot_color", 0.9),
        ("background_color", 0.2),
        ("background_pattern", 5),
        ("robot_pattern", 2),
        ("object_hue", 0.3),
        ("object_value", -0.5),
        ("ambient", 6.0),
        ("light_intensity", 0.5),
        ("camera_fov_deg", 30.0),
        ("shadow", 1),
    ],
)
def test_each_drawn_parameter_changes_the_picture(renderer, qpos, name, value):
    before = renderer.draw(qpos, look(renderer)).astype(int)
    after = renderer.draw(qpos, look(renderer, **{name: value})).astype(int)
    assert (np.abs(after - before).max(axis=-1) > 8).sum() > 20
    # Nothing of it stays: the next picture is the first again.
    assert np.abs(renderer.draw(qpos, look(renderer)) - before).mean() < 1


def test_random_looks_are_bright_enough_to_see(renderer, scene):
    profile = load("block-paper", ["randomize.appearance.light_total={uniform=[2.0, 15.0]}"], {}).profile
    drawn = type(renderer.look)(profile, renderer.look.materials).draw(
        randomness.derive(randomness.key(1).expand(12), torch.arange(12))
    )
    pictures = renderer.draw(np.repeat(resting(scene), 12, axis=0), drawn)
    assert pictures.mean(axis=(1, 2, 3, 4)).min() > 4
    assert 40 < pictures.mean() < 180


def test_the_mean_of_samples_is_that_of_their_squares():
    pixels = np.random.default_rng(0).integers(0, 256, (12, 24, 3), dtype=np.uint8)
    expected = pixels.reshape(6, 2, 2, 6, 2, 3).mean(axis=(1, 4)).swapaxes(0, 1)
    np.testing.assert_allclose(average(pixels, 2, 2), expected, atol=0.5)
    np.testing.assert_array_equal(average(pixels, 1, 2)[1], pixels[:, 12:])

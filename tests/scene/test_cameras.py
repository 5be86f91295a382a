"""Where cameras look."""

import mujoco
import numpy as np
import pytest

from dexctl.profile.load import load
from dexctl.scene.build import build_scene
from dexctl.scene.cameras import WATCH, look_at, point_of_view

PROFILE = load("block").profile


@pytest.fixture(scope="module")
def model():
    return build_scene(PROFILE, pictures=True).model


def project(model, camera, point_m):
    """Where a point falls in a square picture: (2,) in [-1, 1], right and up."""
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    pose = data.cam(camera)
    right, up, back = pose.xmat.reshape(3, 3).T @ np.subtract(point_m, pose.xpos)
    assert back < 0, "the point is behind the camera"
    return np.array([right, up]) / -back / np.tan(np.radians(model.cam(camera).fovy[0]) / 2)


@pytest.mark.parametrize("camera", ["top", "left", "right"])
def test_each_camera_of_the_rig_has_the_block_near_its_middle(model, camera):
    assert np.abs(project(model, camera, PROFILE.object.spawn_m)).max() < 0.35


@pytest.mark.parametrize("camera", ["top", "left", "right"])
def test_each_camera_of_the_rig_sees_about_thirty_centimetres_at_the_block(model, camera):
    distance_m = np.linalg.norm(np.subtract(PROFILE.cameras[camera].position_m, PROFILE.object.spawn_m))
    width_m = 2 * distance_m * np.tan(np.radians(PROFILE.cameras[camera].vertical_fov_deg) / 2)
    assert 0.28 < width_m < 0.35


def test_watch_has_block_and_goal_in_its_picture(model):
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    for body in ("object", "target"):
        right, up = project(model, WATCH, data.body(body).xpos)
        assert abs(right) < 1.4
        assert abs(up) < 0.9


def test_a_free_camera_starts_where_watch_stands(model):
    free = mujoco.MjvCamera()
    point_of_view(free)
    azimuth, elevation = np.radians([free.azimuth, free.elevation])
    forward = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    np.testing.assert_allclose(free.lookat - free.distance * forward, model.cam(WATCH).pos, atol=1e-9)
    assert model.vis.global_.fovy == pytest.approx(model.cam(WATCH).fovy[0])


def test_look_at_puts_the_point_ahead_and_the_horizon_level():
    eye, target = (0.3, -1.2, 0.9), (1.0, 0.4, 0.2)
    matrix = np.empty(9)
    mujoco.mju_quat2Mat(matrix, look_at(eye, target))
    right, up, back = matrix.reshape(3, 3).T
    ahead = np.subtract(target, eye) / np.linalg.norm(np.subtract(target, eye))
    np.testing.assert_allclose(-back, ahead, atol=1e-12)
    assert right[2] == pytest.approx(0.0, abs=1e-12)
    assert up[2] > 0


def test_nothing_that_is_only_seen_can_be_touched(model):
    for name in ("look:floor", "target"):
        assert not model.geom(name).contype[0]
        assert not model.geom(name).conaffinity[0]

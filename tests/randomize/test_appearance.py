import msgspec
import numpy as np
import pytest
import torch
from scipy import stats

from dexctl import randomness, rotation
from dexctl.profile.load import load
from dexctl.randomize.appearance import NO_PATTERN, NUM_PATTERNS, Look

from .conftest import LEVEL

COUNT = 4000


@pytest.fixture(scope="module")
def profile():
    return load("block-paper", [], {}).profile


@pytest.fixture(scope="module")
def drawn(profile):
    return Look(profile, 12).draw(keys(COUNT))


def keys(count, seed=0):
    return randomness.derive(randomness.key(seed).expand(count), torch.arange(count))


def switched_off(profile):
    off = msgspec.structs.replace(profile.randomize.appearance, on=False)
    return msgspec.structs.replace(profile, randomize=msgspec.structs.replace(profile.randomize, appearance=off))


def test_every_parameter_has_its_columns_type_and_shape(profile, drawn):
    columns = Look(profile, 12).columns()
    assert drawn.keys() == columns.keys()
    for name, column in columns.items():
        assert column.fits(drawn[name].dtype, drawn[name].shape[1:]), name


def test_appearance_depends_on_the_key_alone(profile, drawn):
    some = Look(profile, 12).draw(keys(COUNT)[100:110])
    for name, values in some.items():
        np.testing.assert_array_equal(values, drawn[name][100:110])


def test_cameras_move_as_table_9_says(profile, drawn):
    cameras = list(profile.cameras.values())
    moved = drawn["camera_position_m"] - np.array([camera.position_m for camera in cameras])
    assert 0.00149 < np.abs(moved).max() <= 0.0015001
    nominal = rotation.normalize(torch.tensor([camera.quaternion_wxyz for camera in cameras]).double())
    turn = rotation.difference(torch.from_numpy(drawn["camera_quaternion_wxyz"]).double(), nominal)
    degrees = np.degrees(rotation.angle(turn).numpy())
    assert 2.95 < degrees.max() <= 3.001
    assert degrees.mean() == pytest.approx(1.5, abs=0.05)
    # About a random axis: no coordinate is preferred.
    np.testing.assert_allclose(turn[..., 1:].mean(dim=(0, 1)).numpy(), 0.0, atol=0.001)
    fov = drawn["camera_fov_deg"] - [camera.vertical_fov_deg for camera in cameras]
    assert 0.99 < np.abs(fov).max() <= 1.00001


def test_lights_are_four_to_six_above_the_object_and_add_up(profile, drawn):
    lit = drawn["light_intensity"] > 0
    number, share = np.unique(lit.sum(axis=1), return_counts=True)
    assert number.tolist() == [4, 5, 6]
    np.testing.assert_allclose(share / COUNT, 1 / 3, atol=0.03)
    total = drawn["light_intensity"].sum(axis=1)
    assert total.max() <= 15.0001
    assert total.mean() == pytest.approx(7.5, abs=0.25)
    toward = drawn["light_position_m"] - np.array(profile.object.spawn_m)
    distance = np.linalg.norm(toward, axis=-1)
    assert distance.min() >= 0.999
    assert distance.max() <= 1.501
    # On a half-sphere of uniform density, heights are uniform.
    height = toward[..., 2] / distance
    assert height.min() >= -1e-6
    assert stats.kstest(height.ravel().clip(0, 1), "uniform").pvalue > LEVEL
    azimuth = np.arctan2(toward[..., 1], toward[..., 0]) / (2 * np.pi) + 0.5
    assert stats.kstest(azimuth.ravel(), "uniform").pvalue > LEVEL
    apart = np.corrcoef(np.concatenate((height, azimuth), axis=1).T) - np.eye(2 * height.shape[1])
    assert np.abs(apart).max() < 4.5 / COUNT**0.5


def test_no_light_is_five_times_as_strong_as_another(drawn):
    intensity = drawn["light_intensity"]
    weakest = np.where(intensity > 0, intensity, np.inf).min(axis=1)
    assert (intensity.max(axis=1) / weakest).max() <= 5.001


def test_patterns_and_shadows_have_their_share(profile, drawn):
    look = profile.randomize.appearance
    assert drawn["shadow"].mean() == pytest.approx(look.shadow, abs=0.03)
    for name in ("robot_pattern", "background_pattern"):
        patterned = drawn[name] != NO_PATTERN
        assert patterned.mean() == pytest.approx(look.texture, abs=0.03)
        assert set(np.unique(drawn[name][patterned])) == set(range(NUM_PATTERNS))


def test_the_objects_colour_stays_near_the_calibrated_one(drawn):
    for name, most in (("object_hue", 0.01), ("object_saturation", 0.15), ("object_value", 0.15)):
        assert 0.98 * most < np.abs(drawn[name]).max() <= most * 1.0001


def test_switched_off_every_picture_looks_the_same(profile):
    look = Look(switched_off(profile), 12)
    drawn = look.draw(keys(5))
    for name, values in drawn.items():
        np.testing.assert_array_equal(values, np.repeat(values[:1], 5, axis=0), err_msg=name)
    cameras = list(profile.cameras.values())
    np.testing.assert_allclose(drawn["camera_position_m"][0], [c.position_m for c in cameras], rtol=1e-6)
    assert drawn["object_hue"][0] == drawn["object_value"][0] == 0.0
    assert (drawn["light_intensity"][0] > 0).any()

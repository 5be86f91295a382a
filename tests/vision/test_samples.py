"""Every randomized quantity of pictures, read from what they are painted and learned from with."""

import numpy as np
import pytest
from scipy import stats

from dexctl.profile.distribution import Distribution
from dexctl.profile.load import load
from dexctl.scene.build import build_scene
from dexctl.store.images import APPEARANCE
from dexctl.vision.rendering.augmentation import Augmentation
from dexctl.vision.rendering.drawing import Drawing
from dexctl.vision.samples import draw_picture_samples

# Kolmogorov and Smirnov's test at this level refuses a right distribution once in ten thousand seeds, and with
# 2,000 numbers misses one whose distribution function is off by 0.10 no more often.
SEED, PICTURES, LEVEL = 3, 2000, 1e-4
PROFILE = load("vision-paper", [], {}).profile
KEYS = [
    *(f"appearance.camera_{part}" for part in ("position_m", "rotation_deg", "fov_deg")),
    *(f"appearance.robot_{part}" for part in ("color", "metallic", "glossiness")),
    *(f"appearance.object_{part}" for part in ("hue", "saturation", "value", "metallic", "glossiness")),
    *(f"appearance.{part}" for part in ("num_lights", "light_distance_m", "light_share", "light_total", "ambient")),
    *(f"appearance.{part}" for part in ("shadow", "background", "texture", "contrast", "pixel_noise")),
    *(f"pose.{part}" for part in ("turned", "jittered", "jitter_m", "jitter_rad")),
]


@pytest.fixture(scope="module")
def samples():
    return {one.key.removeprefix("randomize."): one for one in draw_picture_samples(PROFILE, PICTURES, SEED)}


def test_every_range_of_appearance_and_pose_is_among_them(samples):
    assert list(samples) == KEYS
    randomize = PROFILE.randomize
    ranges = [f"appearance.{name}" for name in randomize.appearance.__struct_fields__]
    ranges += [f"pose.{name}" for name in randomize.pose.__struct_fields__]
    assert set(ranges) - {"appearance.on", "pose.on"} == set(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_what_is_drawn_has_the_stated_distribution(samples, key):
    one = samples[key]
    numbers = one.drawn.flatten().numpy()
    assert len(numbers) >= PICTURES
    if one.chance:
        hits = int(numbers.sum())
        assert stats.binomtest(hits, len(numbers), one.stated).pvalue > LEVEL
    elif isinstance(one.stated, tuple):
        whole, counts = np.unique(numbers, return_counts=True)
        assert whole.tolist() == list(range(one.stated[0], one.stated[1] + 1))
        assert stats.chisquare(counts).pvalue > LEVEL
    else:
        assert isinstance(one.stated, Distribution)
        low_and_width = one.stated.uniform and (one.stated.uniform[0], one.stated.uniform[1] - one.stated.uniform[0])
        expected = stats.uniform(*low_and_width) if low_and_width else stats.norm(*one.stated.normal)
        assert stats.kstest(numbers, expected.cdf).pvalue > LEVEL


def test_pictures_are_drawn_independently(samples):
    for key in ("appearance.robot_color", "appearance.light_total", "appearance.object_hue", "appearance.contrast"):
        drawn = samples[key].drawn.numpy()
        ranks = stats.rankdata(drawn, axis=0)
        for column in ranks.T:
            # A correlation of independent ranks has a spread of 1/sqrt(n).
            assert abs(np.corrcoef(column[1:], column[:-1])[0, 1]) < 4.5 / PICTURES**0.5, key


def test_they_are_the_looks_and_poses_of_the_pictures_that_render_makes(samples):
    rows = np.arange(20)
    scene = build_scene(PROFILE)
    qpos = np.repeat(scene.model.qpos0[None], len(rows), axis=0).astype(np.float32)
    with Drawing("classic", PROFILE, 8, SEED) as drawing:
        made = drawing.rows(rows, rows, rows, qpos)
    fov = [camera.vertical_fov_deg for camera in PROFILE.cameras.values()]
    drawn = samples["appearance.camera_fov_deg"].drawn
    np.testing.assert_array_equal(made[f"{APPEARANCE}camera_fov_deg"] - np.array(fov), drawn[: len(rows)])
    for what, name in ((Augmentation.TURNED, "turned"), (Augmentation.JITTERED, "jittered")):
        happened = samples[f"pose.{name}"].drawn[: len(rows), 0].numpy()
        np.testing.assert_array_equal(made["augmentation"] == what, happened == 1)
    moved = made["object_position_m"][made["augmentation"] == Augmentation.JITTERED] - np.float32(
        PROFILE.object.spawn_m
    )
    np.testing.assert_allclose(moved, samples["pose.jitter_m"].drawn[: len(moved)], atol=1e-6)

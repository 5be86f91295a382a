"""Pictures and films that people watch."""

import subprocess

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from dexctl.errors import CreateError, InputOutputError, UnavailableError, UsageError
from dexctl.profile.load import load
from dexctl.scene.overlay import Caption, add_caption
from dexctl.scene.picture import Painter, encode_png
from dexctl.scene.stage import Stage
from dexctl.scene.video import VideoWriter

GOAL = np.array([1.0, 0.0, 0.0, 0.0])


@pytest.fixture(scope="module")
def stage():
    stage = Stage(load("block").profile)
    stage.pose(stage.data.qpos.copy(), GOAL, 0.0)
    return stage


def painted(stage, width=160, height=100, **options):
    with Painter(stage.model, width, height, **options) as painter:
        return painter.paint(stage.data)


def test_a_picture_shows_something_and_repeats(stage):
    first, second = painted(stage), painted(stage)
    assert first.shape == (100, 160, 3)
    assert first.std() > 20
    np.testing.assert_array_equal(first, second)


def test_two_painters_do_not_disturb_each_other(stage):
    with Painter(stage.model, 96, 64) as one, Painter(stage.model, 48, 48, "top") as two:
        before = one.paint(stage.data)
        other = two.paint(stage.data)
        np.testing.assert_array_equal(one.paint(stage.data), before)
        np.testing.assert_array_equal(two.paint(stage.data), other)


def test_the_picture_turns_with_the_goal(stage):
    before = painted(stage)
    stage.pose(stage.data.qpos.copy(), np.array([np.cos(0.5), 0, 0, np.sin(0.5)]), 0.0)
    turned = painted(stage)
    stage.pose(stage.data.qpos.copy(), GOAL, 0.0)
    changed = np.abs(before.astype(int) - turned).max(axis=2) > 20
    assert changed.any()
    # The goal stands in the upper left; the hand does not move.
    assert not changed[:, 80:].any()


def test_more_shadow_samples_soften_shadows(stage):
    hard, soft = (painted(stage, shadow_samples=samples) for samples in (1, 16))

    def half_shadow(picture):
        """Pixels between full light and full shadow on the floor, which alone is pale and bluish."""
        brightness = picture.sum(axis=2) / 3
        pale_blue = picture[..., 2].astype(int) - picture[..., 0] > 5
        return np.count_nonzero(pale_blue & (brightness > 145) & (brightness < 220))

    assert half_shadow(soft) > 3 * half_shadow(hard)


def test_an_unknown_camera_is_a_usage_error_that_names_the_cameras(stage):
    with pytest.raises(UsageError, match="top, left, right, watch"):
        Painter(stage.model, 10, 10, "bottom")


def test_a_machine_that_cannot_draw_is_told_what_to_install(stage, monkeypatch):
    def no_driver(*_):
        raise AttributeError("'NoneType' object has no attribute 'eglQueryString'")

    monkeypatch.setattr("mujoco.egl.GLContext", no_driver)
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    with pytest.raises(UnavailableError, match="apt-get install libegl1 libgl1-mesa-dri"):
        Painter(stage.model, 10, 10)


def test_png_holds_the_picture_exactly(stage, tmp_path):
    picture = painted(stage)
    path = tmp_path / "a.png"
    path.write_bytes(encode_png(picture))
    np.testing.assert_array_equal(np.asarray(Image.open(path)), picture)


def test_a_caption_touches_only_the_lower_edge_and_fills_a_dot_a_goal():
    paper = np.full((400, 640, 3), 230, np.uint8)
    two, three = (add_caption(paper, Caption(goals, 50, 12.5, 0.7)) for goals in (2, 3))
    assert (paper == 230).all()
    np.testing.assert_array_equal(two[:330], paper[:330])
    green = [
        np.count_nonzero(picture[..., 1].astype(int) > picture[..., 0].astype(int) + 60) for picture in (two, three)
    ]
    assert green[0] > 0
    assert green[1] == pytest.approx(1.5 * green[0], rel=0.1)


def test_halfway_between_two_states_turns_along_the_arc(stage):
    before, after = stage.data.qpos.copy(), stage.data.qpos.copy()
    before[-4:], after[-4:] = (1, 0, 0, 0), (np.cos(1.0), 0, 0, np.sin(1.0))
    after[0] += 0.2
    middle = stage.between(before, after, 0.5)
    np.testing.assert_allclose(middle[-4:], (np.cos(0.5), 0, 0, np.sin(0.5)), atol=1e-12)
    assert middle[0] == pytest.approx(before[0] + 0.1)


def frames_of(path, width, height):
    """What ffmpeg reads back: (N, height, width, 3) uint8."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24"]
    read = subprocess.run([*command, "-"], check=True, capture_output=True).stdout
    return np.frombuffer(read, np.uint8).reshape(-1, height, width, 3)


def test_a_film_holds_its_pictures_in_order(tmp_path):
    path = tmp_path / "film.mp4"
    with VideoWriter(path, 25) as film:
        for shade in (20, 90, 160, 230):
            film.add(np.full((64, 96, 3), shade, np.uint8))
    frames = frames_of(path, width=96, height=64)
    assert len(frames) == 4
    np.testing.assert_allclose(frames.mean(axis=(1, 2, 3)), (20, 90, 160, 230), atol=4)
    assert [file.name for file in tmp_path.iterdir()] == ["film.mp4"]


def test_a_film_that_fails_leaves_the_old_one(tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(b"older")

    def fail_half_way():
        with VideoWriter(path, 25) as film:
            film.add(np.zeros((64, 96, 3), np.uint8))
            raise KeyError

    with pytest.raises(KeyError):
        fail_half_way()
    assert path.read_bytes() == b"older"
    assert [file.name for file in tmp_path.iterdir()] == ["film.mp4"]


def test_a_film_without_a_folder_or_ending_is_refused_before_work_starts(tmp_path):
    with pytest.raises(CreateError, match="No such file"):
        VideoWriter(tmp_path / "missing" / "film.mp4", 25)
    with pytest.raises(UsageError, match=r"\.mp4"):
        VideoWriter(tmp_path / "film.avi", 25)


def test_an_encoder_that_dies_is_told_as_lost_output(tmp_path, monkeypatch):
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/bin/false")

    def film_on():
        with VideoWriter(tmp_path / "film.mp4", 25) as film:
            for _ in range(100):
                film.add(np.zeros((480, 640, 3), np.uint8))

    with pytest.raises(InputOutputError):
        film_on()
    assert not list(tmp_path.iterdir())

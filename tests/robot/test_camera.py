"""Drivers against what they drive: pylon's own emulated cameras, a film, and a stream over a real socket."""

import time

import imageio_ffmpeg
import msgspec
import numpy as np
import pytest
from PIL import Image

from dexctl.errors import UnavailableError
from dexctl.profile.schema import RobotCamera
from dexctl.robot.camera import Watch, open_camera, squared
from dexctl.robot.remote import RemoteRobot
from dexctl.robot.watched import WatchedRobot

from .conftest import ANSWER_S
from .streams import PATIENCE_S, Stream, painted


@pytest.fixture(scope="module", autouse=True)
def emulated():
    """Two of pylon's own cameras that are not there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYLON_CAMEMU", "2")
        yield


def forever(look):
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        look()


@pytest.fixture
def stream():
    found = Stream(painted(200, 30, 90))
    yield found
    found.close()


@pytest.fixture
def film(tmp_path):
    """Five pictures that grow brighter."""
    path = tmp_path / "film.mp4"
    writer = imageio_ffmpeg.write_frames(str(path), (96, 64), fps=10, codec="libx264", macro_block_size=2)
    writer.send(None)
    for level in range(40, 240, 40):
        writer.send(painted(level, level, level))
    writer.close()
    return path


@pytest.fixture
def basler():
    camera = open_camera(RobotCamera(driver="basler", source="0815-0001"))
    yield camera
    camera.close()


def test_a_basler_camera_gives_what_it_is_shown_in_red_green_and_blue(basler, tmp_path):
    Image.fromarray(painted(250, 120, 10, 64, 48)).save(tmp_path / "shown.png")
    device = basler._camera
    device.StopGrabbing()
    device.PixelFormat.Value = "RGB8Packed"
    device.Width.Value, device.Height.Value = 64, 48
    device.ImageFilename.Value = str(tmp_path / "shown.png")
    device.ImageFileMode.Value, device.TestImageSelector.Value = "On", "Off"
    device.StartGrabbing(basler._pylon.GrabStrategy_LatestImageOnly)
    picture = basler.grab()
    assert (picture.shape, picture.dtype) == ((48, 64, 3), np.uint8)
    assert np.abs(picture.astype(int) - (250, 120, 10)).max() <= 2


def test_a_basler_camera_that_gives_only_torn_pictures_is_gone(basler):
    assert basler.grab().ndim == 3
    basler._camera.ForceFailedBufferCount.Value = 1_000
    basler._camera.ForceFailedBuffer.Execute()
    with pytest.raises(UnavailableError, match="no whole picture"):
        forever(basler.grab)


def test_a_basler_camera_that_is_not_there_is_told_with_those_that_are(basler):
    with pytest.raises(UnavailableError, match="'nobody'") as told:
        open_camera(RobotCamera(driver="basler", source="nobody"))
    assert "0815-0000" in told.value.remedy


def test_a_basler_camera_can_be_opened_again_once_it_was_given_back():
    for _ in range(2):
        camera = open_camera(RobotCamera(driver="basler", source="0815-0000"))
        assert camera.grab().max() > 0
        camera.close()


def test_a_stream_is_seen_in_its_colours(stream):
    camera = open_camera(RobotCamera(driver="video", source=stream.address))
    picture = camera.grab()
    camera.close()
    assert picture.shape == (64, 96, 3)
    assert np.abs(picture.astype(int) - (200, 30, 90)).max() <= 6


def test_a_film_is_read_picture_by_picture_until_it_ends(film):
    camera = open_camera(RobotCamera(driver="video", source=str(film)))
    levels = [camera.grab().mean() for _ in range(5)]
    with pytest.raises(UnavailableError, match="ended"):
        camera.grab()
    camera.close()
    assert levels == pytest.approx([40, 80, 120, 160, 200], abs=6)


def test_nothing_at_an_address_is_told(tmp_path):
    with pytest.raises(UnavailableError, match="no camera or stream"):
        open_camera(RobotCamera(driver="video", source=str(tmp_path / "none.mp4")))
    with pytest.raises(UnavailableError, match="no camera or stream"):
        open_camera(RobotCamera(driver="video", source="99"))


def test_a_watch_keeps_the_newest_picture_and_tells_when_the_camera_is_gone(stream):
    watch = Watch("front", open_camera(RobotCamera(driver="video", source=stream.address)))
    watch.start()
    picture, age_s = watch.newest()
    assert (picture.shape, age_s >= 0.0) == ((64, 96, 3), True)
    stream.over.set()
    watch.join(timeout=PATIENCE_S)
    with pytest.raises(UnavailableError, match=r"camera front: .* ended"):
        watch.newest()


def test_pictures_are_squared_from_their_middle():
    picture = painted(0, 0, 0, 90, 60)
    picture[:, 15:75] = (10, 200, 60)
    assert np.array_equal(squared(picture, 60), painted(10, 200, 60, 60, 60))
    assert np.array_equal(squared(picture, 20), painted(10, 200, 60, 20, 20))
    assert squared(picture, 100).shape == (100, 100, 3)


@pytest.fixture
def watched(served, stream):
    cameras = {
        "top": RobotCamera(driver="video", source=stream.address),
        "left": RobotCamera(driver="basler", source="0815-0000"),
    }
    with RemoteRobot(served.endpoint, ANSWER_S) as robot, WatchedRobot(robot, cameras, 32) as found:
        yield found


def test_a_robot_with_cameras_beside_it_gives_their_pictures_with_its_readings(watched):
    assert (watched.features.cameras, watched.features.image_px) == (("top", "left"), 32)
    watched.connect()
    bare, seen = watched.observe(), watched.observe(images=True)
    assert bare.images == {}
    assert {name: picture.shape for name, picture in seen.images.items()} == {"top": (32, 32, 3), "left": (32, 32, 3)}
    assert np.abs(seen.images["top"].astype(int) - (200, 30, 90)).max() <= 6
    assert 0.0 <= seen.image_age_s < PATIENCE_S


def test_a_camera_that_goes_away_is_told_by_the_next_look(watched, stream):
    watched.connect()
    stream.over.set()
    with pytest.raises(UnavailableError, match="camera top"):
        forever(lambda: watched.observe(images=True))


def test_a_camera_that_is_not_there_leaves_the_robot_to_others(served, stream):
    cameras = {"top": RobotCamera(driver="basler", source="nobody")}
    with (
        RemoteRobot(served.endpoint, ANSWER_S) as robot,
        WatchedRobot(robot, cameras, 32) as watched,
        pytest.raises(UnavailableError, match="nobody"),
    ):
        watched.connect()
    assert served.told == []


def test_a_profile_s_cameras_are_of_drivers_that_are_known(same):
    table = msgspec.to_builtins(same.robot)
    table["cameras"] = {"top": {"driver": "kinect", "source": "0"}}
    with pytest.raises(msgspec.ValidationError, match="kinect"):
        msgspec.convert(table, type(same.robot))

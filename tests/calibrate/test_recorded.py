import dataclasses

import numpy as np
import pytest
from drawn_hand import write_recording

from dexctl.calibrate.recorded import read_recording
from dexctl.calibrate.replay import Motion
from dexctl.errors import DataError
from dexctl.scene.names import JOINTS


@pytest.fixture
def swinging():
    angles = 0.3 + 0.2 * np.sin(0.08 * np.arange(60)[:, None] * np.linspace(0.9, 1.7, 24))
    return Motion(angles, np.gradient(angles, 0.08, axis=0), np.full((60, 20), 0.25))


def test_a_recording_is_read_as_it_was_written(profile, swinging, tmp_path):
    write_recording(tmp_path / "calib.zarr", profile, swinging)
    found = read_recording(tmp_path / "calib.zarr", profile)
    assert found.motion.angles_rad == pytest.approx(swinging.angles_rad)
    assert found.motion.velocities_rad_s == pytest.approx(swinging.velocities_rad_s)
    assert found.motion.actions == pytest.approx(swinging.actions)
    assert not any(bad.any() for bad in found.unsound.values())
    assert len(found.digest) == 32


def test_another_motion_has_another_digest(profile, swinging, tmp_path):
    other = dataclasses.replace(swinging, actions=swinging.actions * 0.5)
    for name, motion in (("a", swinging), ("b", other)):
        write_recording(tmp_path / name, profile, motion)
    assert read_recording(tmp_path / "a", profile).digest != read_recording(tmp_path / "b", profile).digest


def test_what_is_no_number_is_filled_and_told(profile, swinging, tmp_path):
    angles = swinging.angles_rad.copy()
    angles[20, JOINTS.index("FFJ2")] = np.nan
    write_recording(tmp_path / "calib.zarr", profile, dataclasses.replace(swinging, angles_rad=angles))
    found = read_recording(tmp_path / "calib.zarr", profile)
    assert np.argwhere(found.unsound["not a number"]).tolist() == [[20, JOINTS.index("FFJ2")]]
    assert found.motion.angles_rad == pytest.approx(swinging.angles_rad, abs=2e-3)


def test_another_rate_is_refused(profile, swinging, tmp_path):
    write_recording(tmp_path / "calib.zarr", profile, swinging, period_s=0.04)
    with pytest.raises(DataError, match=r"0.04 s from row to row, the profile 0.08 s"):
        read_recording(tmp_path / "calib.zarr", profile)


def test_another_hand_is_refused(profile, swinging, tmp_path, monkeypatch):
    write_recording(tmp_path / "calib.zarr", profile, swinging)
    from dexctl.scene import names

    monkeypatch.setattr(names, "JOINTS", ("thumb", *names.JOINTS[1:]))
    with pytest.raises(DataError, match="another hand: its joints differ in WRJ1"):
        read_recording(tmp_path / "calib.zarr", profile)

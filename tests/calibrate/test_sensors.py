import msgspec
import mujoco
import numpy as np
import pytest

from dexctl.calibrate.sensors import corrected, fit_sensors, through_table, with_sensors
from dexctl.errors import DataError
from dexctl.scene import names
from dexctl.scene.build import build_hand_scene


def tips(profile, angles):
    scene = build_hand_scene(profile)
    data, found = mujoco.MjData(scene.model), []
    for pose in angles:
        data.qpos[scene.joint_qpos] = pose
        mujoco.mj_kinematics(scene.model, data)
        found.append(data.site_xpos[scene.fingertip_sites].copy())
    return np.array(found)


@pytest.fixture(scope="module")
def moved():
    """Angles of the ring finger's joints, apart from each other."""
    time_s = np.linspace(0, 12, 60)[:, None]
    angles = np.zeros((60, 24))
    first = names.JOINTS.index("RFJ3")
    angles[:, first : first + 4] = [0.0, 0.7, 0.7, 0.5] + 0.6 * np.sin(time_s * [1.0, 1.7, 2.6, 3.3]) * [0.4, 1, 1, 0.7]
    return angles


def test_a_table_is_linear_between_its_points_and_goes_on_beyond():
    found = through_table([0.0, 1.0, 2.0], [0.0, 2.0, 3.0], np.array([-1.0, 0.5, 1.0, 1.5, 3.0]))
    assert found == pytest.approx([-2.0, 1.0, 2.0, 2.5, 4.0])


def test_tables_bring_fingertips_to_their_markers(profile, moved):
    reported = moved.copy()
    joint = names.JOINTS.index("RFJ2")
    reported[:, joint] = 0.8 * moved[:, joint] + 0.1
    found = fit_sensors(profile, reported, tips(profile, moved))
    assert found.before_m["rf"] > 0.004
    assert found.after_m["rf"] < 0.2 * found.before_m["rf"]
    hand = with_sensors(profile.hand, found)
    off = np.abs(corrected(hand, reported) - moved)[:, joint]
    assert np.rad2deg(off.mean()) < 2


def test_joints_without_a_table_are_as_reported(profile, moved):
    assert np.array_equal(corrected(profile.hand, moved), moved)
    sensor = {"RFJ2": {"reported_rad": [0.0, 1.0], "angle_rad": [0.5, 1.5]}}
    hand = msgspec.convert({**msgspec.to_builtins(profile.hand), "sensors": sensor}, type(profile.hand))
    off = corrected(hand, moved) - moved
    assert off[:, names.JOINTS.index("RFJ2")] == pytest.approx(0.5)
    assert np.count_nonzero(off.any(axis=0)) == 1


def test_nothing_that_moves_is_told(profile):
    with pytest.raises(DataError, match="no joint of a finger moved"):
        fit_sensors(profile, np.zeros((10, 24)), np.zeros((10, 5, 3)))

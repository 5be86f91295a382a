import dataclasses

import numpy as np
import pytest

from dexctl.calibrate.fingers import fingers
from dexctl.calibrate.replay import Motion
from dexctl.calibrate.soundness import Fault, faults, shown_windows, told, unsound
from dexctl.calibrate.windows import cut
from dexctl.scene.names import JOINTS

FFJ2 = JOINTS.index("FFJ2")
STEPS = 13


@pytest.fixture
def swinging():
    """All joints of all fingers swing, each at its own speed."""
    time_s = 0.08 * np.arange(40 * STEPS + 1)
    angles = 0.5 + 0.4 * np.sin(time_s[:, None] * np.linspace(0.9, 1.7, 24))
    return Motion(angles, np.gradient(angles, 0.08, axis=0), np.full((len(angles), 20), 0.5))


def windows_and_faults(profile, motion, missing=None, gaps=None):
    shape = motion.angles_rad.shape
    nothing = np.zeros(shape, bool)
    reasons = unsound(
        motion, nothing if missing is None else missing, np.zeros(shape[0], bool) if gaps is None else gaps
    )
    usable = ~np.any(list(reasons.values()), axis=0)
    windows = cut(motion, usable, profile.calibrate, 0.08, fingers())
    return windows, faults(reasons, windows)


def test_windows_last_a_second_and_share_no_step(profile, swinging):
    windows, left_out = windows_and_faults(profile, swinging)
    assert windows.steps == STEPS
    assert np.array_equal(np.diff(windows.starts), np.full(39, STEPS))
    assert left_out == []
    assert windows.usable.all()


def test_held_out_windows_are_never_fitted_and_every_finger_has_both(profile, swinging):
    windows, _ = windows_and_faults(profile, swinging)
    for part in fingers():
        train, held_out = set(windows.of(part, False)), set(windows.of(part, True))
        assert not train & held_out
        assert len(held_out) == pytest.approx(profile.calibrate.held_out * 40, abs=1)


def test_a_finger_that_rests_has_no_windows(profile, swinging):
    angles = swinging.angles_rad.copy()
    angles[:, fingers(("th",))[0].joints] = 0.3
    motion = Motion(angles, swinging.velocities_rad_s, np.zeros_like(swinging.actions))
    windows, _ = windows_and_faults(profile, motion)
    assert not windows.moving["th"].any()
    assert windows.moving["ff"].all()


def test_what_is_no_number_costs_its_joint_its_window(profile, swinging):
    missing = np.zeros(swinging.angles_rad.shape, bool)
    missing[3 * STEPS + 4, FFJ2] = True
    windows, left_out = windows_and_faults(profile, swinging, missing=missing)
    assert told(left_out) == ["FFJ2: not a number in window 3"]
    assert (~windows.usable).sum() == 1


def test_a_gap_costs_all_joints_its_window(profile, swinging):
    gaps = np.zeros(len(swinging.angles_rad), bool)
    gaps[5 * STEPS + 2] = True
    windows, left_out = windows_and_faults(profile, swinging, gaps=gaps)
    assert {one.windows for one in left_out} == {(5,)}
    assert len(left_out) == 24
    assert not windows.usable[5].any()


def test_a_sensor_that_is_stuck_is_told(profile, swinging):
    angles = swinging.angles_rad.copy()
    angles[6 * STEPS : 9 * STEPS, FFJ2] = 0.55
    _, left_out = windows_and_faults(profile, dataclasses.replace(swinging, angles_rad=angles))
    assert [(one.joint, one.reason) for one in left_out] == [("FFJ2", "motionless")]
    assert set(left_out[0].windows) >= {6, 7, 8}


def test_a_joint_that_never_moves_is_told_in_every_window(profile, swinging):
    angles = swinging.angles_rad.copy()
    angles[:, FFJ2] = 0.5
    windows, left_out = windows_and_faults(profile, dataclasses.replace(swinging, angles_rad=angles))
    assert told(left_out) == ["FFJ2: motionless in windows 0-39"]
    assert windows.moving["ff"].all()


def test_a_sensor_at_its_end_is_told_and_a_stop_is_not(profile, swinging):
    clipped = swinging.angles_rad.copy()
    clipped[:, FFJ2] = np.minimum(clipped[:, FFJ2], 0.6)
    _, left_out = windows_and_faults(profile, dataclasses.replace(swinging, angles_rad=clipped))
    assert {(one.joint, one.reason) for one in left_out} == {("FFJ2", "sensor clipped")}
    stopped = swinging.angles_rad.copy()
    over = np.maximum(stopped[:, FFJ2] - 0.6, 0.0)
    stopped[:, FFJ2] = np.minimum(stopped[:, FFJ2], 0.6) + 0.01 * over
    _, left_out = windows_and_faults(profile, dataclasses.replace(swinging, angles_rad=stopped))
    assert left_out == []


@pytest.mark.parametrize(
    ("windows", "text"),
    [((3,), "window 3"), ((3, 4, 5, 9), "windows 3-5, 9"), ((0, 2), "windows 0, 2")],
)
def test_windows_are_told_in_runs(windows, text):
    assert shown_windows(windows) == text


def test_joints_left_out_together_are_told_together():
    left_out = [Fault("FFJ2", "gap", (3, 4)), Fault("FFJ1", "gap", (3, 4)), Fault("FFJ0", "gap", (5,))]
    assert told(left_out) == ["FFJ2, FFJ1: gap in windows 3-4", "FFJ0: gap in window 5"]
    assert told([Fault(joint, "gap", (3,)) for joint in JOINTS]) == ["every joint: gap in window 3"]

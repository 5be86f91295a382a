"""dexctl calibrate and evaluate --calibration on recordings that are sound, damaged in places, or of no use."""

import dataclasses
import json

import numpy as np
import pytest
from drawn_hand import write_recording

from dexctl.calibrate.replay import Motion
from dexctl.profile.load import load
from dexctl.scene.names import ACTUATED, JOINTS

from .conftest import everything

WINDOW_STEPS, WINDOWS = 13, 12
WRIST = [JOINTS.index("WRJ1"), JOINTS.index("WRJ0")]
FIT = "dexctl calibrate motion.zarr -o mine.toml --fingers wrist"


@pytest.fixture(scope="module")
def profile():
    return load("block-paper", [], {}).profile


@pytest.fixture
def wrist():
    """The wrist swings, and all fingers are straight."""
    moments = WINDOW_STEPS * WINDOWS + 1
    swing = np.sin(0.08 * np.arange(moments))
    angles, actions = np.zeros((moments, len(JOINTS))), np.zeros((moments, len(ACTUATED)))
    angles[:, WRIST] = np.outer(swing, (0.1, 0.2)) - 0.1
    actions[:, :2] = 0.5 * swing[:, None]
    return Motion(angles, np.gradient(angles, 0.08, axis=0), actions)


def damaged(motion, joint, steps, value):
    angles = motion.angles_rad.copy()
    angles[steps, JOINTS.index(joint)] = value
    return dataclasses.replace(motion, angles_rad=angles)


def test_what_is_damaged_is_told_by_joint_and_window(shell, tmp_path, profile, wrist):
    stuck = damaged(wrist, "WRJ0", slice(6 * WINDOW_STEPS + 2, 8 * WINDOW_STEPS), -0.05)
    write_recording(tmp_path / "motion.zarr", profile, damaged(stuck, "WRJ1", 3 * WINDOW_STEPS + 4, np.nan))
    before = everything(tmp_path)
    told = shell(f"{FIT} -n")
    assert (told.returncode, told.stdout) == (0, ""), told.stderr
    assert told.stderr.splitlines() == [
        "warning: WRJ1: not a number in window 3",
        "warning: WRJ0: motionless in windows 6-7",
    ]
    assert everything(tmp_path) == before


@pytest.mark.slow
def test_too_little_is_an_answer_and_a_report(shell, tmp_path, profile, wrist):
    write_recording(tmp_path / "motion.zarr", profile, wrist)
    told = shell(f"{FIT} --json --set calibrate.least_windows=50")
    assert told.returncode == 1
    document = json.loads(told.stdout)
    assert f"wrist: {document['fingers'][0]['windows']} windows are too few" in told.stderr
    assert sum(document["windows"].values()) == WINDOWS
    assert not any(one["determined"] for one in document["parameters"])
    assert json.loads((tmp_path / "mine.json").read_text()) == document
    assert "<svg" in (tmp_path / "mine.html").read_text()
    scored = shell("dexctl evaluate --calibration shadow --calibration mine.toml motion.zarr --json")
    assert scored.returncode == 0, scored.stderr
    shadow, mine = json.loads(scored.stdout)["hands"]
    assert (shadow["calibrated_on_this"], mine["calibrated_on_this"]) == (False, True)
    assert mine["held_out_deg"] == pytest.approx(document["error_deg"]["held_out"]["after"])


@pytest.mark.slow
def test_nothing_left_is_bad_input(shell, tmp_path, profile, wrist):
    still = damaged(wrist, "WRJ1", slice(None), -0.1)
    write_recording(tmp_path / "motion.zarr", profile, damaged(still, "WRJ0", slice(None), np.nan))
    told = shell(FIT)
    assert (told.returncode, told.stdout) == (65, "")
    assert "none of its 12 windows can be used: WRJ" in told.stderr

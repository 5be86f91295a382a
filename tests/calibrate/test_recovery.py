"""tools/bench/recovery.py and tools/calibration-seeds: a drawn robot, its calibration, and the truth beside it."""

import json
import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from drawn_hand import draw_hand, robot_toml
from recovery import recovered

from dexctl.profile.load import load

TOOLS = Path(__file__).parents[2] / "tools"
LOWER = "lower_limit"


@pytest.fixture
def folder(profile, tmp_path):
    """A robot that was drawn, and a report that found three of its numbers."""
    (tmp_path / "robot.toml").write_text(robot_toml(profile.hand, 3, 0.002, 0.02))
    true = draw_hand(profile.hand, 3)
    damping, low = true.joints["FFJ2"].damping, true.joints["FFJ2"].range_rad[0]
    rows = [
        row("FFJ2", "damping", 1.1 * damping, 0.9 * damping, 1.15 * damping),
        row("FFJ2", LOWER, low + 0.5, low + 0.4, low + 0.6),
        row("A_FFJ2", "gain", 1.0, 0.0, 9.0),
        row("A_FFJ2", "backlash_inward", 4.0, 3.9, 4.1),
        row("A_FFJ2", "backlash_outward", 8.0, 4.0, 10.0),
        {**row("FFJ2", "margin", 0.01, 0.0, 0.0), "low": None, "high": None, "determined": False},
    ]
    report = {
        "method": "least-squares",
        "recorded_s": 40.0,
        "fit_s": 60.0,
        "windows": {"train": 30, "held_out": 10},
        "error_deg": {"held_out": {"before": 9.0, "after": 1.0}},
        "fingers": [],
        "parameters": rows,
    }
    (tmp_path / "mine.json").write_text(json.dumps(report))
    return tmp_path


def row(owner, kind, value, low, high):
    return {"of": owner, "kind": kind, "value": value, "low": low, "high": high, "determined": True}


def test_a_drawn_robot_is_a_profile_that_can_be_served(profile, folder):
    found = load(str(folder / "robot.toml"), [], {}).profile
    drawn = draw_hand(profile.hand, 3)
    assert found.hand.joints == drawn.joints
    assert found.hand.actuators == drawn.actuators
    assert found.hand.joints != profile.hand.joints
    assert found.robot.sensors.joint_noise_rad == (0.002, 0.002)
    assert found.robot.sensors.joint_delay_s == (0.02, 0.02)
    assert found.robot.gap == load("robot/same", [], {}).profile.robot.gap


def test_what_was_found_is_put_beside_the_truth(profile, folder):
    found = recovered(folder)
    assert (found["determined"], found["of"], found["covered"]) == (5, 5, 3)
    assert found["damping"] == {"sure": 1, "near": 1}
    assert found[LOWER] == {"sure": 1, "near": 0}
    assert found["gain"] == {"sure": 0, "near": 0}
    assert found["delay_ms"] == pytest.approx(20.0)
    truth = {(one["of"], one["kind"]): one["true"] for one in found["parameters"]}
    assert truth["A_FFJ2", "gain"] == draw_hand(profile.hand, 3).actuators["A_FFJ2"].gain


def test_a_robot_without_backlash_is_missed_by_an_interval_that_ends_before(folder):
    covered = {one["kind"]: one["covered"] for one in recovered(folder)["parameters"]}
    assert not covered["backlash_inward"]
    assert covered["backlash_outward"]


@pytest.mark.slow
def test_a_robot_is_drawn_served_recorded_fitted_and_compared_at_toy_scale(tmp_path):
    tools = tmp_path / "tools"
    shutil.copytree(TOOLS / "bench", tools / "bench")
    shutil.copy(TOOLS / "calibration-seeds", tools)
    (tools / "environment").write_text(f"#!/bin/sh\necho {sysconfig.get_path('scripts')}\n")
    (tools / "environment").chmod(0o755)
    variables = {"DEXCTL_FINGERS": "wrist", "DEXCTL_SET": "calibrate.sweeps=1"}
    for _ in range(2):
        told = subprocess.run(
            [tools / "calibration-seeds", "--seeds", "5", "--folder", "found"],
            cwd=tmp_path,
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert told.returncode == 0, told.stderr
        assert "drawn hand 5" in told.stdout
    assert "recording" not in told.stderr, "the second time everything is there"
    document = json.loads((tmp_path / "found/seeds.json").read_text())
    assert document["robots"][0]["held_out_after_deg"] < document["robots"][0]["held_out_before_deg"]
    assert json.loads((tmp_path / "found/seed-5/evaluated.json").read_text())["hands"][1]["calibrated_on_this"]

"""How well calibrations found robots whose numbers nobody told them: errors held out, numbers, intervals, time.

    python tools/bench/recovery.py FOLDER... -o recovery.json

Each folder is one of ``tools/calibration-seeds``: ``robot.toml``, the robot that was drawn and served, and
``mine.json``, the report of ``dexctl calibrate``. Prints a table; the document has every number.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from harness import describe_date, describe_machine, describe_versions

from dexctl.calibrate.parameters import ACTUATOR_KINDS, JOINT_KINDS, numbers_of
from dexctl.console.json_text import to_json
from dexctl.console.output import Output, Table
from dexctl.profile import schema
from dexctl.profile.load import load
from dexctl.scene import names
from dexctl.store.whole_file import write_whole

# The numbers that matter most, and how near they must come where the interval says that they are known so well.
MATTER = ("damping", "gain", "lower_limit", "upper_limit")
NEAR = 0.15
BACKLASH = ("backlash_inward", "backlash_outward")
# A served robot has no backlash: so fast, in ln of 1/s, a full action loses a twentieth of a step at most.
TAUT_LOG = 6.0


def recovered(folder: Path) -> dict[str, Any]:
    """One robot: its calibration's report beside the truth."""
    robot = load(str(folder / "robot.toml"), [], {}).profile
    report = json.loads((folder / "mine.json").read_text(encoding="utf-8"))
    rows = [_beside_truth(row, robot.hand) for row in report["parameters"] if row["low"] is not None]
    assert robot.robot is not None
    sensors, error = robot.robot.sensors, report["error_deg"]["held_out"]
    return {
        "robot": robot.robot.name,
        "method": report["method"],
        "noise_deg": float(np.rad2deg(sensors.joint_noise_rad[0])),
        "delay_ms": 1000 * sensors.joint_delay_s[0],
        "recorded_s": report["recorded_s"],
        "fit_s": report["fit_s"],
        "windows": report["windows"],
        "held_out_before_deg": error["before"],
        "held_out_after_deg": error["after"],
        "fingers": report["fingers"],
        **summary(rows),
        "parameters": rows,
    }


def _beside_truth(row: dict[str, Any], hand: schema.Hand) -> dict[str, Any]:
    """A parameter of the report with the robot's own, whether its interval holds that, and how far off it may be."""
    numbers, kind, owner = numbers_of(hand), row["kind"], row["of"]
    if kind in JOINT_KINDS:
        true = float(numbers.joints[0, names.JOINTS.index(owner), JOINT_KINDS.index(kind)])
    else:
        true = float(numbers.actuators[0, names.ACTUATORS.index(owner), ACTUATOR_KINDS.index(kind)])
    if kind in BACKLASH:
        # All that is as fast or faster is the same robot.
        true = max(TAUT_LOG, min(row["value"], row["high"]))
    scale = float(np.ptp(hand.joints[owner].range_rad)) if "limit" in kind and kind in JOINT_KINDS else abs(true)
    return {
        **row,
        "true": true,
        "covered": row["low"] <= true <= row["high"],
        "sure": row["determined"] and (row["high"] - row["low"]) / 2 <= NEAR * scale,
        "near": abs(row["value"] - true) <= NEAR * scale,
    }


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What is determined, how much of it the intervals cover, and of what matters the share that came near."""
    known = [row for row in rows if row["determined"]]
    found: dict[str, Any] = {
        "determined": len(known),
        "of": len(rows),
        "covered": sum(row["covered"] for row in known),
    }
    for kind in MATTER:
        sure = [row for row in rows if row["kind"] == kind and row["sure"]]
        found[kind] = {"sure": len(sure), "near": sum(row["near"] for row in sure)}
    return found


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    sure = sum(one[kind]["sure"] for kind in MATTER)
    near = sum(one[kind]["near"] for kind in MATTER)
    return (
        one["robot"],
        one["method"],
        one["noise_deg"],
        one["delay_ms"],
        one["held_out_before_deg"],
        one["held_out_after_deg"],
        f"{one['covered']} of {one['determined']}",
        f"{near} of {sure}",
        one["fit_s"],
    )


HEADINGS = ("robot", "method", "noise, deg", "delay, ms", "before, deg", "after, deg", "covered", "near", "fit, s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    asked = parser.parse_args()
    found = [recovered(folder) for folder in asked.folders]
    document = {
        "date": describe_date(),
        "machine": describe_machine(),
        "versions": describe_versions(),
        "robots": found,
    }
    write_whole(asked.output, (to_json(msgspec.to_builtins(document), indent=1) + "\n").encode())
    Output(json=False).show(document, Table(HEADINGS, [_row(one) for one in found], "held-out windows, 1 s"))

"""``dexctl evaluate --calibration``: how well a hand repeats a recording, joint by joint."""

from __future__ import annotations

from typing import Any

from dexctl.calibrate.parameters import numbers_of
from dexctl.calibrate.scoring import replayed, score
from dexctl.console.calibrate_session import chosen_fingers, hand_profile, open_data
from dexctl.console.evaluation.question import Question
from dexctl.console.output import Output, Table
from dexctl.errors import UsageError
from dexctl.scene import names

_PROFILE = "block-paper"


def run(question: Question, output: Output, dry_run: bool) -> None:
    """Replays the recording's windows with each hand, all of them and those that fits hold out.

    Raises:
        UsageError: there is not one recording.
        MissingError, DataError, ProfileError: it or a hand is missing, damaged, or does not fit.
    """
    if len(question.recorded) != 1:
        raise UsageError(
            "--calibration wants one recording", "Give it as the last word: --calibration mine.toml calib.zarr."
        )
    base = question.profile[0] if question.profile else _PROFILE
    rows = []
    for hand in question.calibration:
        profile = hand_profile(hand, base, question.set)
        data = open_data(question.recorded[0], profile, chosen_fingers(()))
        if dry_run:
            continue
        simulated = replayed(profile, data.recorded.motion, data.windows, numbers_of(profile.hand))[0]
        splits = {
            name: score(simulated, data.recorded.motion, data.windows, data.parts, held_out)
            for name, held_out in (("train", False), ("held_out", True))
        }
        rows.append(
            {
                "hand": hand,
                "calibrated_on_this": profile.hand.calibrated_on == data.recorded.digest,
                **{f"{name}_deg": one.total_deg for name, one in splits.items()},
                "windows": {name: int((data.windows.held_out == (name == "held_out")).sum()) for name in splits},
                "joints_deg": {
                    joint: {name: float(one.joint_deg[index]) for name, one in splits.items()}
                    for index, joint in enumerate(names.JOINTS)
                    if any(one.windows[index] for one in splits.values())
                },
                "faults": list(data.faults),
            }
        )
    if dry_run:
        return
    document = {"recording": str(question.recorded[0]), "hands": rows}
    output.show(document, *_tables(rows))


def _tables(rows: list[dict[str, Any]]) -> list[Table]:
    hands = [(one["hand"], one["train_deg"], one["held_out_deg"], one["calibrated_on_this"]) for one in rows]
    joints = [
        (joint, *(one["joints_deg"].get(joint, {}).get("held_out") for one in rows)) for joint in rows[0]["joints_deg"]
    ]
    return [
        Table(
            ("hand", "train, deg", "held out, deg", "fitted to this recording"), hands, "joints' error after one window"
        ),
        Table(("joint", *(one["hand"] for one in rows)), joints, "by joint, held-out windows, deg"),
    ]

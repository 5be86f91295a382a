"""One calibration from start to end: a recording, a fit that resumes, a hand profile and its report."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from dexctl.calibrate.fingers import FINGERS, Finger, fingers
from dexctl.calibrate.fitting import FingerFit, Method, Task, Told, fit, fitted_hand
from dexctl.calibrate.hand_file import hand_toml
from dexctl.calibrate.overlay import overlay_svg
from dexctl.calibrate.parameters import GROUPS, HandNumbers, hand_with, numbers_of
from dexctl.calibrate.recorded import Recorded, read_recording
from dexctl.calibrate.report import joints_document, page, parameters_document
from dexctl.calibrate.scoring import replayed, score
from dexctl.calibrate.sensors import SensorFit, fit_sensors, with_sensors
from dexctl.calibrate.soundness import faults, told
from dexctl.calibrate.touching import touching
from dexctl.calibrate.windows import Windows, cut
from dexctl.console import messages
from dexctl.console.beforehand import check_output
from dexctl.console.json_text import to_json
from dexctl.console.output import Output, Table
from dexctl.console.progress import Progress
from dexctl.console.saved_fit import SavedFit
from dexctl.console.signals import Signals
from dexctl.errors import DataError, NotReached, ProfileError, UsageError
from dexctl.profile import schema
from dexctl.profile.load import load_with_hand
from dexctl.store.whole_file import write_whole


@dataclasses.dataclass(frozen=True)
class CalibrateOrder:
    """The options of ``dexctl calibrate`` for a fit.

    Attributes:
        whole: the hand is written as a whole profile, which inherits this one; None writes a part.
    """

    recording: Path
    hand: str
    profile: str
    whole: bool
    output: Path
    method: Method
    groups: tuple[str, ...]
    fingers: tuple[str, ...]
    sensors: bool
    seed: int
    fresh: bool
    settings: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class _Data:
    """What a fit is made of."""

    profile: schema.Profile
    settings: schema.Calibrate
    recorded: Recorded
    windows: Windows
    parts: Sequence[Finger]
    faults: Sequence[str]


def run_calibrate(order: CalibrateOrder, output: Output, dry_run: bool) -> None:
    """Fits a hand, writes its profile and report, and shows the errors before and after.

    Raises:
        UsageError, MissingError, DataError, ProfileError, CreateError: before anything is fitted.
        NotReached: it is written, and a finger did not converge or had too few windows.
        Stopped: a signal; the same command goes on from there.
    """
    profile = hand_profile(order.hand, order.profile, order.settings)
    check_output(order.output, ".toml")
    kinds = _kinds(order.groups)
    if order.sensors:
        _run_sensors(order, profile, output, dry_run)
        return
    data = open_data(order.recording, profile, chosen_fingers(order.fingers))
    for fault in data.faults:
        messages.warning(fault)
    if dry_run:
        return
    saved = _saved(order, data, kinds)
    with Signals() as signals, Progress("calibrate", quiet=output.quiet) as progress:

        def tell(told: Told) -> bool:
            saved.note(told)
            progress.update(
                {"finger": told.finger, "iteration": told.iterations, "error, deg": float(np.rad2deg(told.error_rad))}
            )
            return signals.stopped_by is None

        task = Task(
            profile,
            data.settings,
            data.recorded.motion,
            data.windows,
            order.method,
            kinds,
            data.parts,
            order.seed,
            begun=saved.vectors,
            done=saved.done,
            on_done=saved.finish,
        )
        fits = fit(task, tell)
        signals.raise_if_stopped()
    document = _write(order, data, fits, saved.seconds)
    saved.path.unlink(missing_ok=True)
    output.show(document, *_tables(document))
    output.made(order.output)
    wrong = [
        f"{one.finger}: {'did not converge' if one.confidence else f'{one.windows} windows are too few'}"
        for one in fits
        if not one.converged
    ]
    if wrong:
        raise NotReached("; ".join(wrong), f"{order.output} is written; look into its report, or record more.")


def hand_profile(hand: str, base: str, settings: Sequence[str]) -> schema.Profile:
    """The profile that a hand is replayed in: a base, with that hand as it was calibrated.

    Args:
        hand: a part such as ``hand/shadow`` or ``shadow``, or a file.

    Raises:
        ProfileError: there is none, it is of another make, or says nothing of calibration.
    """
    edited = ('hand.gains="2018"', "hand.dry_friction=true", *settings)
    found = load_with_hand(base, hand_name(hand), edited)
    if found.calibrate is None:
        raise ProfileError(f"{base}: calibrate: missing", "Inherit the part 'calibrate'.")
    if found.hand.model != "gymnasium-robotics":
        raise ProfileError(f"{hand}: hand.model: only Gymnasium-Robotics' Shadow hand can be fitted")
    return found


def hand_name(hand: str) -> str:
    """The profile that a hand is named after: ``shadow`` is ``hand/shadow``."""
    return hand if hand.endswith(".toml") or "/" in hand else f"hand/{hand}"


def chosen_fingers(chosen: Sequence[str]) -> list[Finger]:
    """The fingers asked for, all when none is.

    Raises:
        UsageError: there is no such finger.
    """
    for name in chosen:
        if name not in FINGERS:
            raise UsageError(f"--fingers {name}: no such finger", f"There are {', '.join(FINGERS)}.")
    return fingers(tuple(chosen) or FINGERS)


def open_data(recording: Path, profile: schema.Profile, parts: Sequence[Finger]) -> _Data:
    """Reads a recording and cuts it.

    Raises:
        MissingError, DataError: there is none, it does not fit, or no window is left.
    """
    settings = profile.calibrate
    assert settings is not None
    recorded = read_recording(recording, profile)
    reasons = {**recorded.unsound, "fingers touch": touching(profile, recorded.motion)}
    usable = ~np.any(list(reasons.values()), axis=0)
    period_s = profile.physics.timestep_s * profile.physics.substeps
    windows = cut(recorded.motion, usable, settings, period_s, parts)
    left_out = told(faults(reasons, windows))
    if not any(len(windows.of(part, False)) and len(windows.of(part, True)) for part in parts):
        reason = f": {left_out[0]}" if left_out else ": nothing moves"
        raise DataError(
            f"{recording}: none of its {len(windows.starts)} windows can be used{reason}",
            "Record the calibration's motions with 'dexctl calibrate --record'.",
        )
    return _Data(profile, settings, recorded, windows, parts, left_out)


def _kinds(groups: Sequence[str]) -> tuple[str, ...]:
    for name in groups:
        if name not in GROUPS:
            raise UsageError(f"--groups {name}: no such group", f"There are {', '.join(GROUPS)}.")
    return tuple(kind for name in groups or GROUPS for kind in GROUPS[name])


def _saved(order: CalibrateOrder, data: _Data, kinds: Sequence[str]) -> SavedFit:
    """Where the same fit was, if it was interrupted."""
    about = (
        data.recorded.digest,
        msgspec.json.encode([data.profile.hand, data.profile.physics, data.settings]).hex(),
        [order.method, order.seed, list(kinds)],
    )
    key = hashlib.blake2b(json.dumps(about).encode(), digest_size=16).hexdigest()
    return SavedFit(order.output.with_suffix(".part.json"), key, order.fresh)


def _write(order: CalibrateOrder, data: _Data, fits: Sequence[FingerFit], fit_s: float) -> dict[str, Any]:
    profile, motion, windows = data.profile, data.recorded.motion, data.windows
    before = numbers_of(profile.hand)
    after = fitted_hand(before, fits)
    both = HandNumbers(
        np.concatenate((before.joints, after.joints)), np.concatenate((before.actuators, after.actuators))
    )
    simulated = replayed(profile, motion, windows, both)
    scores = {
        split: [score(one, motion, windows, data.parts, held_out) for one in simulated]
        for split, held_out in (("train", False), ("held_out", True))
    }
    document: dict[str, Any] = {
        "hand": order.hand,
        "recording": str(order.recording),
        "digest": data.recorded.digest,
        "method": order.method,
        "recorded_s": data.recorded.seconds,
        "fit_s": fit_s,
        "windows": {"train": int((~windows.held_out).sum()), "held_out": int(windows.held_out.sum())},
        "error_deg": {
            split: {"before": of_split[0].total_deg, "after": of_split[1].total_deg}
            for split, of_split in scores.items()
        },
        "fingers": [
            {
                "finger": one.finger,
                "windows": one.windows,
                "fitted": one.confidence is not None,
                "converged": one.converged,
            }
            for one in fits
        ],
        "joints": joints_document(
            {split: of_split[0] for split, of_split in scores.items()},
            {split: of_split[1] for split, of_split in scores.items()},
        ),
        "parameters": parameters_document(fits),
        "faults": list(data.faults),
    }
    hand = msgspec.structs.replace(hand_with(profile.hand, after), calibrated_on=data.recorded.digest)
    held_out = document["error_deg"]["held_out"]
    description = (
        f"The hand {order.hand} fitted to {order.recording.name}: "
        f"{held_out['after']:.3g} degrees off after 1 s, {held_out['before']:.3g} before"
    )
    write_hand(order, hand, description)
    write_whole(order.output.with_suffix(".json"), (to_json(document, indent=1) + "\n").encode())
    period_s = profile.physics.timestep_s * profile.physics.substeps
    overlays = {
        part.name: overlay_svg(motion, windows, part, simulated[0], simulated[1], period_s)
        for part in data.parts
        if len(windows.of(part, True))
    }
    write_whole(order.output.with_suffix(".html"), page(document, overlays).encode())
    return document


def write_hand(order: CalibrateOrder, hand: schema.Hand, description: str) -> None:
    """Writes the hand's profile.

    Raises:
        CreateError, InputOutputError: it cannot be written.
    """
    name = hand_name(order.hand)
    if name.endswith(".toml"):
        name = str(Path(name).resolve())
    base = str(Path(order.profile).resolve()) if order.profile.endswith(".toml") else order.profile
    heading = "Written by 'dexctl calibrate'; its report stands beside it. Units are those of dexctl-profile(5)."
    text = hand_toml(hand, name, base if order.whole else None, heading, description)
    write_whole(order.output, text.encode())


def _run_sensors(order: CalibrateOrder, profile: schema.Profile, output: Output, dry_run: bool) -> None:
    recorded = read_recording(order.recording, profile)
    if recorded.fingertips_m is None:
        raise DataError(
            f"{order.recording}: the robot saw no markers on its fingertips", "The tables are fitted to those."
        )
    if dry_run:
        return
    found = fit_sensors(profile, recorded.reported_rad, recorded.fingertips_m)
    hand = msgspec.structs.replace(with_sensors(profile.hand, found), calibrated_on=recorded.digest)
    write_hand(order, hand, f"The hand {order.hand}, its joint sensors fitted to the markers of {order.recording.name}")
    document = _sensors_document(order, found)
    output.show(document, _sensors_table(document))
    output.made(order.output)


def _sensors_document(order: CalibrateOrder, found: SensorFit) -> dict[str, Any]:
    return {
        "hand": order.hand,
        "recording": str(order.recording),
        "fingertips": [
            {"finger": name, "before_mm": 1000 * before, "after_mm": 1000 * found.after_m[name]}
            for name, before in found.before_m.items()
        ],
        "sensors": {name: msgspec.to_builtins(sensor) for name, sensor in found.sensors.items()},
    }


def _sensors_table(document: Mapping[str, Any]) -> Table:
    rows = [(one["finger"], one["before_mm"], one["after_mm"]) for one in document["fingertips"]]
    return Table(("fingertip", "before, mm", "after, mm"), rows, "distance of the fingertip from its marker")


def _tables(document: Mapping[str, Any]) -> list[Table]:
    joints = [
        (one["joint"], one["held_out_windows"], one["held_out_before_deg"], one["held_out_after_deg"])
        for one in document["joints"]
    ]
    total = document["error_deg"]["held_out"]
    joints.append(("all", document["windows"]["held_out"], total["before"], total["after"]))
    known = [one for one in document["parameters"] if one["determined"]]
    unknown = [f"{one['of']} {one['kind']}" for one in document["parameters"] if not one["determined"]]
    return [
        Table(("joint", "windows", "before, deg", "after, deg"), joints, "error after 1 s, held-out windows"),
        Table(
            ("number", "before", "now", "from", "to"),
            [(f"{one['of']} {one['kind']}", one["before"], one["value"], one["low"], one["high"]) for one in known],
            "determined, with 95% intervals",
        ),
        Table(("not determined",), [(name,) for name in unknown]),
    ]

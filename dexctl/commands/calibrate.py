"""``dexctl calibrate``: the hand fitted to recorded motion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from dexctl.commands.options import DryRun, Json, OwnKey, Quiet, Settings, complete_profiles


def calibrate(
    context: typer.Context,
    recording: Annotated[
        Path | None, typer.Argument(metavar="RECORDING", help="Of '--record', or any of 'dexctl deploy'.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="The hand's profile, .toml; with --record the recording."),
    ] = None,
    hand: Annotated[
        str, typer.Option(metavar="HAND", help="The hand to begin with.", autocompletion=complete_profiles)
    ] = "shadow",
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            "-p",
            metavar="PROFILE",
            help="How physics steps, what actions mean, how to calibrate; with --record the robot's own.",
            show_default="block-paper, with --record robot/same",
            autocompletion=complete_profiles,
        ),
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Write a whole profile: that of --profile, with the calibrated hand.")
    ] = False,
    method: Annotated[
        Literal["least-squares", "coordinate"],
        typer.Option(help="'coordinate' is the paper's descent, one number after the other."),
    ] = "least-squares",
    groups: Annotated[
        list[str] | None,
        typer.Option(metavar="GROUP", help="Fit only: dynamics, springs, limits, motors, backlash; repeatable."),
    ] = None,
    fingers: Annotated[
        list[str] | None,
        typer.Option(metavar="FINGER", help="Move or fit only: wrist, ff, mf, rf, lf, th; repeatable."),
    ] = None,
    sensors: Annotated[
        bool, typer.Option("--sensors", help="Fit the joint sensors' tables to the fingertips' markers instead.")
    ] = False,
    record: Annotated[
        bool, typer.Option("--record", help="Record the two scripted motions on a robot, finger by finger.")
    ] = False,
    robot: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="tcp://HOST:PORT, real or of 'dexctl simulate --serve'.")
    ] = None,
    arm: Annotated[bool, typer.Option("--arm", help="Move the robot; without it the plan is told.")] = False,
    timeout: Annotated[
        float, typer.Option(min=0.0, metavar="SECONDS", help="How long to wait for the robot's first answer.")
    ] = 10.0,
    key: OwnKey = None,
    server_key: Annotated[Path | None, typer.Option(metavar="PATH", help="The robot's public .key file.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the order in which 'coordinate' tries.")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what an interrupted fit had found.")] = False,
    settings: Settings = None,
    dry_run: DryRun = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Fit the simulated hand to recorded motion; the same command again resumes.

    Beside the profile it writes a report, .html and .json. A hand profile is a part, to be inherited:
    inherits = ["block", "mine.toml"]. The exit code is 1 when a finger did not converge or moved too little.
    """
    from dexctl.commands.calibrate_modes import MODES, mode_of
    from dexctl.console.beforehand import check_datasets
    from dexctl.console.output import Output
    from dexctl.errors import UsageError

    wrong = MODES.misplaced(context, mode_of(context.params))
    if wrong:
        raise UsageError(*wrong)
    if output is None:
        raise UsageError("--output is missing", "Give -o FILE: the hand's profile, or with --record the recording.")
    if record:
        from dexctl.console.calibrate_recording import RecordOrder, record_motions

        if robot is None:
            raise UsageError("--record wants a robot", "Give --robot tcp://HOST:PORT -o FILE.zarr.")
        order = RecordOrder(
            address=robot,
            profile=profile or "robot/same",
            output=output,
            fingers=tuple(fingers or ()),
            arm=arm,
            timeout_s=timeout,
            key=key,
            server_key=server_key,
        )
        record_motions(order, Output(json, quiet), dry_run)
        return
    if recording is None:
        raise UsageError("there is nothing to fit to", "Give a recording, or make one with --record.")
    check_datasets((recording,))
    from dexctl.console.calibrate_session import CalibrateOrder, run_calibrate

    run_calibrate(
        CalibrateOrder(
            recording=recording,
            hand=hand,
            profile=profile or "block-paper",
            whole=whole,
            output=output,
            method=method,
            groups=tuple(groups or ()),
            fingers=tuple(fingers or ()),
            sensors=sensors,
            seed=seed,
            fresh=fresh,
            settings=tuple(settings or ()),
        ),
        Output(json, quiet),
        dry_run,
    )

"""``dexctl evaluate``: goals in a row, as the paper scores policies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dexctl.commands.options import (
    Backend,
    DryRun,
    Json,
    Quiet,
    Settings,
    complete_paper_rows,
    complete_policies,
    complete_profiles,
    with_backend,
)


def evaluate(
    context: typer.Context,
    recorded: Annotated[
        list[Path] | None, typer.Argument(metavar="RECORDING", help="With --calibration: motion to be repeated.")
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            metavar="PATH",
            help="A run, a checkpoint or a shipped policy; or 'random', or 'zero'; repeatable.",
            autocompletion=complete_policies,
        ),
    ] = None,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile",
            "-p",
            metavar="PROFILE",
            help="The task; by default the one that the first trained policy learned. Repeatable: each policy on each.",
            autocompletion=complete_profiles,
        ),
    ] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="By default the profile's evaluate.trials.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Trial i depends on this and i alone.")] = 0,
    greedy: Annotated[bool, typer.Option("--greedy", help="The likeliest actions, not sampled ones.")] = False,
    paper: Annotated[
        list[str] | None,
        typer.Option(
            "--paper",
            metavar="ROW",
            help="Rows of the paper to stand beside, such as block-robot; by default the one of the task. Repeatable.",
            autocompletion=complete_paper_rows,
        ),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw sorted trials and means, as .png, .svg or .pdf.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write a page there: tables, plots, best, median and worst trial."),
    ] = None,
    film: Annotated[
        bool, typer.Option("--film", help="Also film the last 12 s of those trials for the report.")
    ] = False,
    recording: Annotated[
        list[Path] | None,
        typer.Option(metavar="RECORDING", help="Trials of 'dexctl deploy' to score, in place of playing; repeatable."),
    ] = None,
    vision: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="A run, a checkpoint or a shipped estimator of 'dexctl train-vision'."),
    ] = None,
    images: Annotated[
        list[Path] | None,
        typer.Option(metavar="IMAGES", help="Pictures of 'dexctl render' to measure --vision on; repeatable."),
    ] = None,
    worst: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw the worst poses there, estimated over true.")
    ] = None,
    memory: Annotated[
        bool, typer.Option("--memory", help="Probe what the policies remember of the physics they are in, after 5 s.")
    ] = False,
    grasps: Annotated[
        bool,
        typer.Option(
            "--grasps", help="Tell which fingers touch the object in --policy or --recording, and their grasps."
        ),
    ] = False,
    pictures: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="With --grasps: a picture of each grasp found.")
    ] = None,
    calibration: Annotated[
        list[str] | None,
        typer.Option(metavar="HAND", help="A hand of 'dexctl calibrate', or 'shadow', to score; repeatable."),
    ] = None,
    at_least: Annotated[
        float | None,
        typer.Option(min=0.0, metavar="GOALS", help="End with 1 when the first policy's mean is below; for scripts."),
    ] = None,
    physics: Backend = None,
    settings: Settings = None,
    dry_run: DryRun = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score policies by the goals they reach in a row until a drop, 80 s for one, or 50.

    Every policy plays the same trials, and is compared with the first. With '--vision' and '--images' it
    measures a pose estimator instead: angles of the relative rotations, and distances. With '--json' the
    answer is one document.
    """
    from dexctl.commands.modes import typed
    from dexctl.console.evaluation.modes import answer
    from dexctl.console.evaluation.question import Question
    from dexctl.console.output import Output

    question = Question(
        recorded=tuple(recorded or ()),
        calibration=tuple(calibration or ()),
        policy=tuple(policy or ()),
        profile=tuple(profile or ()),
        set=tuple(with_backend(settings, physics)),
        trials=trials,
        seed=seed,
        greedy=greedy,
        paper=tuple(paper or ()),
        plot=plot,
        report=report,
        film=film,
        memory=memory,
        grasps=grasps,
        pictures=pictures,
        recording=tuple(recording or ()),
        vision=vision,
        images=tuple(images or ()),
        worst=worst,
        at_least=at_least,
    )
    fields = {"settings": "set", "physics": "set"}
    spelled = {fields.get(name, name): flag for name, flag in typed(context).items()}
    answer(question, spelled, Output(json, quiet), dry_run)

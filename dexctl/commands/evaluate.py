"""``dexctl evaluate``: goals in a row, as the paper scores policies."""

from __future__ import annotations

from typing import Annotated

import typer

from dexctl.commands.options import DryRun, Json, Quiet, Settings, complete_profiles, complete_runs


def evaluate(
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            metavar="PATH",
            help="A run, a checkpoint or a shipped policy; or 'random', or 'zero'; repeatable.",
            autocompletion=complete_runs,
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            "-p",
            metavar="PROFILE",
            help="The task; by default the one that the first trained policy learned.",
            autocompletion=complete_profiles,
        ),
    ] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="By default the profile's evaluate.trials.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Trial i depends on this and i alone.")] = 0,
    greedy: Annotated[bool, typer.Option("--greedy", help="The likeliest actions, not sampled ones.")] = False,
    settings: Settings = None,
    dry_run: DryRun = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Score policies by the goals they reach in a row until a drop, 80 s for one, or 50.

    Every policy plays the same trials. With --json the answer is one document.
    """
    from dexctl.console.evaluation.modes import answer
    from dexctl.console.evaluation.question import Question
    from dexctl.console.output import Output

    question = Question(
        policy=tuple(policy or ()),
        profile=profile,
        set=tuple(settings or ()),
        trials=trials,
        seed=seed,
        greedy=greedy,
    )
    answer(question, Output(json, quiet), dry_run)

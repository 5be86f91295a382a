"""``dexctl deploy``: a policy on a robot."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dexctl.commands.options import DryRun, Json, OwnKey, PolicyPath, Quiet, Settings, complete_profiles


def deploy(
    robot: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="tcp://HOST:PORT as of 'dexctl simulate --serve', or ros://HOST:PORT."),
    ],
    policy: PolicyPath,
    profile: Annotated[
        str,
        typer.Option(
            "--profile",
            "-p",
            metavar="PROFILE",
            help="The robot's own, for its [robot] table; the task is the one that the policy learned.",
            autocompletion=complete_profiles,
        ),
    ] = "robot/same",
    vision: Annotated[
        str | None, typer.Option(metavar="PATH", help="A pose estimator, in place of motion capture of the object.")
    ] = None,
    goals: Annotated[str, typer.Option(metavar="random|FILE", help="Or a JSON list of quaternions.")] = "random",
    trials: Annotated[int, typer.Option(min=1, help="The paper's number on a robot.")] = 10,
    arm: Annotated[bool, typer.Option("--arm", help="Move the robot; without it everything but motion.")] = False,
    average: Annotated[
        float | None,
        typer.Option(min=0.0, max=0.99, help="Weight of the past in the actions' average, in place of the policy's."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of goals and sampled actions.")] = 0,
    greedy: Annotated[bool, typer.Option("--greedy", help="The likeliest actions, not sampled ones.")] = False,
    recording: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE.zarr", help="The recording; by default named for the hour."),
    ] = None,
    images: Annotated[bool, typer.Option("--images", help="Record the cameras' pictures too.")] = False,
    timeout: Annotated[
        float, typer.Option(min=0.0, metavar="SECONDS", help="How long to wait for the robot's first answer.")
    ] = 10.0,
    key: OwnKey = None,
    server_key: Annotated[Path | None, typer.Option(metavar="PATH", help="The robot's public .key file.")] = None,
    settings: Settings = None,
    dry_run: DryRun = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run a policy on a robot, safely, and record every step.

    A signal, a robot that falls silent, lost sight of the object and limits hit too often stop the
    robot first; the exit code of such a stop is 10. With -n the plan is printed and nothing moves.
    When deploy is killed with -9, a robot of dexctl's own protocol holds and then lets go by its watchdog; a
    hand behind rosbridge has none: it stays where the last command led, see [robot.ros] in dexctl-profile(5).
    """
    from dexctl.console.beforehand import check_policies

    check_policies((policy,))
    from dexctl.console.deploy_plan import DeployOrder, plan_deploy
    from dexctl.console.deploy_session import run_deploy
    from dexctl.console.output import Output

    order = DeployOrder(
        robot=robot,
        policy=policy,
        profile=profile,
        vision=vision,
        goals=goals,
        trials=trials,
        arm=arm,
        average=average,
        seed=seed,
        greedy=greedy,
        recording=recording,
        images=images,
        timeout_s=timeout,
        key=key,
        server_key=server_key,
        settings=tuple(settings or ()),
    )
    run_deploy(plan_deploy(order), Output(json, quiet), dry_run)

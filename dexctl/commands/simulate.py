"""``dexctl simulate``: a policy at play, to be watched or recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from dexctl.commands.options import DryRun, Json, PolicyPath, Quiet, Settings, complete_profiles


def simulate(
    where: Annotated[
        Literal["window", "web"] | None,
        typer.Argument(
            metavar="[window|web]",
            help="With --view: in a window of this machine, or in a browser.",
            show_default="window",
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            "-p",
            metavar="PROFILE",
            help="A shipped profile by name, or a .toml file; by default the policy's own, or 'block'.",
            autocompletion=complete_profiles,
        ),
    ] = None,
    policy: PolicyPath = "zero",
    greedy: Annotated[
        bool, typer.Option("--greedy", help="Take the likeliest action in place of a sampled one.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Episode I is trial I of 'dexctl evaluate' with this seed.")] = 0,
    seconds: Annotated[
        float | None,
        typer.Option(min=0.1, help="Simulated time to play; by default 20, with --view until it is closed."),
    ] = None,
    video: Annotated[Path | None, typer.Option(metavar="FILE.mp4", help="Film it.")] = None,
    png: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Paint its last moment.")] = None,
    camera: Annotated[
        str, typer.Option(metavar="NAME", help="Who films and paints: 'watch', or a camera of the profile.")
    ] = "watch",
    view: Annotated[bool, typer.Option("--view", help="Watch it live; '--view web' in a browser.")] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of '--view web' on 127.0.0.1; 0: the first free one from 8080.")
    ] = 0,
    settings: Settings = None,
    dry_run: DryRun = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run the randomized simulation and show or record it.

    One hand plays one episode after the other, as in an evaluation. '--view' opens a window,
    '--view web' serves a browser over one port, so that it works through ssh -L.
    """
    from dexctl.console.output import Output
    from dexctl.console.simulate_session import SimulatePlan, check_simulate, run_simulate
    from dexctl.errors import UsageError
    from dexctl.policy.opening import BASELINES, open_policy
    from dexctl.profile.load import adjust, load

    if where and not view:
        raise UsageError(f"'{where}' says where to watch, and nobody does", f"Give --view {where}.")
    if profile or policy in BASELINES:
        acting_in = load(profile or "block", settings or ()).profile
    else:
        acting_in = adjust(open_policy(policy, None).profile, settings or (), policy)
    plan = SimulatePlan(
        policy=open_policy(policy, acting_in, greedy),
        seed=seed,
        seconds=seconds,
        video=video,
        png=png,
        view=(where or "window") if view else None,
        port=port,
        camera=camera,
    )
    if dry_run:
        check_simulate(plan)
        return
    run_simulate(plan, Output(json, quiet))

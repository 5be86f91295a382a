"""``dexctl simulate``: a policy at play, to be watched or recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from dexctl.commands.options import DryRun, Json, PolicyPath, Quiet, Settings, complete_profiles


def simulate(
    context: typer.Context,
    where: Annotated[
        Literal["window", "web"] | None,
        typer.Argument(
            metavar="window|web",
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
    replay: Annotated[
        Path | None, typer.Option(metavar="RECORDING", help="Film what 'dexctl deploy' recorded; with --video.")
    ] = None,
    serve: Annotated[
        str | None,
        typer.Option(
            metavar="ENDPOINT",
            help="Be a robot for 'dexctl deploy' on tcp://HOST:PORT, the one of --profile (robot/twin when not given).",
        ),
    ] = None,
    robot_seed: Annotated[int, typer.Option(min=0, help="With --serve: which robot of the profile's family.")] = 0,
    cameras: Annotated[
        Literal["classic", "filament"] | None,
        typer.Option(help="With --serve: give it the profile's cameras, and what draws for them.", show_default="none"),
    ] = None,
    rate: Annotated[
        Literal["real", "max"],
        typer.Option(help="With --serve: in real time, or as fast as the controller lets time pass."),
    ] = "real",
    key: Annotated[
        Path | None, typer.Option(metavar="PATH", help="With --serve or --bind: own CURVE key, a .key_secret file.")
    ] = None,
    allow: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="With --serve or --bind: public keys of those let in.")
    ] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="With --serve or --bind: off loopback without keys.")
    ] = False,
    endpoint_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --serve or --bind: where the endpoint is written.")
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Play nothing: tell what randomization draws in so many episodes."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="With --samples: draw it, with what the profile states.")
    ] = None,
    states: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Gather N states of hand and object for 'dexctl render'.")
    ] = None,
    every: Annotated[
        int, typer.Option(min=1, help="With --states: control steps from one state to the next of the same hand.")
    ] = 8,
    output_path: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="STATES", help="With --states: the dataset, made or gone on with."),
    ] = None,
    bind: Annotated[
        str | None,
        typer.Option(metavar="ENDPOINT", help="With --states: where 'dexctl render tcp://HOST:PORT' fetches them."),
    ] = None,
    settings: Settings = None,
    dry_run: DryRun = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run the randomized simulation and show or record it.

    One hand plays one episode after the other, as in an evaluation. '--view' opens a window,
    '--view web' serves a browser over one port, so that it works through ssh -L.
    """
    from dexctl.commands.simulate_modes import MODES, mode_of
    from dexctl.console.beforehand import FIGURES, check_output, check_policies, check_randomized
    from dexctl.console.output import Output
    from dexctl.errors import UsageError
    from dexctl.policy.naming import BASELINES
    from dexctl.profile.load import adjust, load

    mode = mode_of(context.params)
    wrong = MODES.misplaced(context, mode)
    if wrong:
        raise UsageError(*wrong)
    for path, suffixes in ((video, (".mp4",)), (png, (".png",)), (plot, FIGURES), (output_path, ())):
        if path is not None:
            check_output(path, *suffixes)
    if mode in ("--serve", "--states") and (key is None) != (allow is None):
        raise UsageError("--key and --allow go together", "'dexctl keygen PATH' makes key pairs.")
    if serve is not None:
        from dexctl.console.serve_session import ServePlan, run_serve

        loaded = load(profile or "robot/twin", settings or ())
        plan = ServePlan(loaded, serve, robot_seed, rate == "max", cameras, key, allow, insecure, endpoint_file)
        run_serve(plan, Output(json, quiet), dry_run)
        return
    if replay is not None:
        from dexctl.console.replay_session import ReplayPlan, run_replay

        if video is None:
            raise UsageError("--replay shows nothing by itself", "Give --video FILE.mp4.")
        run_replay(ReplayPlan(replay, video, camera), Output(json, quiet), dry_run)
        return
    if states is not None and output_path is None and bind is None:
        raise UsageError("--states has nowhere to go", "Give -o STATES.zarr or --bind tcp://127.0.0.1:0.")
    binding = None
    if states is not None and bind is not None:
        from dexctl.console.row_stream import Binding

        binding = Binding(bind, key, allow, insecure, endpoint_file)
        binding.check()
    check_policies((policy,))
    if profile or policy in BASELINES:
        acting_in = load(profile or "block", settings or ()).profile
    else:
        from dexctl.policy.opening import open_policy

        acting_in = adjust(open_policy(policy, None).profile, settings or (), policy)
    if samples is not None:
        named = profile or ("block" if policy in BASELINES else policy)
        check_randomized(named, acting_in)
        if dry_run:
            return
        from dexctl.console.samples_session import SamplesPlan, run_samples

        run_samples(SamplesPlan(named, acting_in, samples, seed, plot), Output(json, quiet))
        return
    from dexctl.console.simulate_session import SimulatePlan, check_simulate, run_simulate
    from dexctl.policy.opening import open_policy

    if states is not None:
        from dexctl.console.gather_session import GatherPlan, run_gather

        gathering = GatherPlan(open_policy(policy, acting_in, greedy), seed, states, every, output_path, binding)
        if not dry_run:
            run_gather(gathering, Output(json, quiet))
        return
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

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
    from dexctl.console.output import Output
    from dexctl.errors import UsageError
    from dexctl.profile.load import adjust, load

    if (key is None) != (allow is None):
        raise UsageError("--key and --allow go together", "'dexctl keygen PATH' makes key pairs.")
    if serve:
        from dexctl.console.serve_session import ServePlan, run_serve

        if policy != "zero" or view or video or png or seconds:
            raise UsageError("--serve takes its actions from a controller", "Leave what plays and films away.")
        loaded = load(profile or "robot/twin", settings or ())
        plan = ServePlan(loaded, serve, robot_seed, rate == "max", cameras, key, allow, insecure, endpoint_file)
        run_serve(plan, Output(json, quiet), dry_run)
        return
    if replay:
        from dexctl.console.replay_session import ReplayPlan, run_replay

        if video is None:
            raise UsageError("--replay shows nothing by itself", "Give --video FILE.mp4.")
        run_replay(ReplayPlan(replay, video, camera), Output(json, quiet), dry_run)
        return
    if where and not view:
        raise UsageError(f"'{where}' says where to watch, and nobody does", f"Give --view {where}.")
    from dexctl.console.simulate_session import SimulatePlan, check_simulate, run_simulate
    from dexctl.policy.opening import BASELINES, open_policy

    if profile or policy in BASELINES:
        acting_in = load(profile or "block", settings or ()).profile
    else:
        acting_in = adjust(open_policy(policy, None).profile, settings or (), policy)
    if plot and samples is None:
        raise UsageError("--plot draws what --samples tells", "Give --samples 1000.")
    if samples is not None:
        from dexctl.console.samples_session import SamplesPlan, check_samples, run_samples

        if view or video or png:
            raise UsageError("--samples plays nothing that could be watched", "Leave out --view, --video and --png.")
        named = profile or ("block" if policy in BASELINES else policy)
        wanted = SamplesPlan(named, acting_in, samples, seed, plot)
        if dry_run:
            check_samples(wanted)
            return
        run_samples(wanted, Output(json, quiet))
        return
    if (output_path is not None or bind is not None) and states is None:
        option = "--output" if output_path is not None else "--bind"
        raise UsageError(f"{option} takes what --states gathers", "Give --states 100000.")
    if states is not None:
        from dexctl.console.gather_session import GatherPlan, check_gather, run_gather
        from dexctl.console.row_stream import Binding

        if output_path is None and bind is None:
            raise UsageError("--states has nowhere to go", "Give -o STATES.zarr or --bind tcp://127.0.0.1:0.")
        if view or video or png:
            raise UsageError("--states plays many hands at once", "Leave out --view, --video and --png.")
        binding = Binding(bind, key, allow, insecure, endpoint_file) if bind is not None else None
        gathering = GatherPlan(open_policy(policy, acting_in, greedy), seed, states, every, output_path, binding)
        if dry_run:
            check_gather(gathering)
            return
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

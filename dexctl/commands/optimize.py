"""``dexctl optimize``: PPO from the experience of rollout workers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dexctl.commands.options import (
    Backend,
    DryRun,
    Fresh,
    Json,
    OwnKey,
    ProfileName,
    Quiet,
    RunPath,
    Settings,
    complete_policies,
    with_backend,
)

LOOPBACK = "tcp://127.0.0.1:0"
Bind = Annotated[
    str, typer.Option(metavar="ENDPOINT", help="Where workers connect: tcp://HOST:PORT; port 0 takes a free one.")
]


def optimize(
    profile: ProfileName,
    run: RunPath = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Rollout workers to start here; by default the profile's run.workers.")
    ] = None,
    processes: Annotated[
        int, typer.Option(min=1, help="Optimizer processes to start here, which learn together; torchrun may, too.")
    ] = 1,
    minutes: Annotated[
        float | None,
        typer.Option(min=0.0, help="Stop after so many minutes, from the first experience on; by default never."),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Stop after so many environment steps in all; by default the profile's run.steps."),
    ] = None,
    sync: Annotated[
        bool,
        typer.Option(
            "--sync", help="Wait for the workers started here at every update, take no other: repeats exactly."
        ),
    ] = False,
    fused: Annotated[
        bool,
        typer.Option("--fused", help="Simulate in this process, too, with all of its cores or its GPU: no workers."),
    ] = False,
    start_from: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="PATH",
            help="Begin a new run with the networks of a run, a checkpoint or a shipped policy.",
            autocompletion=complete_policies,
        ),
    ] = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write the figures for TensorBoard (an extra).")
    ] = False,
    bind: Bind = LOOPBACK,
    endpoint_file: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Write the endpoint there once it is bound.")
    ] = None,
    key: OwnKey = None,
    allow: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Public keys of the workers to let in; may change meanwhile.")
    ] = None,
    worker_key: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The .key_secret that workers started here use.")
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Bind off loopback without keys.")] = False,
    fresh: Fresh = False,
    physics: Backend = None,
    settings: Settings = None,
    dry_run: DryRun = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train a policy by PPO; the same command again resumes.

    With --workers N it starts N rollout workers on this machine, restarts one that dies and ends
    them all; others may connect to the endpoint that it prints. Ctrl-C leaves a checkpoint.

    Several processes share each batch and learn what one would. Each binds an endpoint of its own,
    on ports counted up from --bind's; workers choose one, and another when it is gone.

    With --fused, simulation and learning take turns in one process, and a run repeats exactly as with
    --sync. With --physics warp on a GPU the networks learn there, too, and experience stays on it; this
    has not been run on CUDA yet.
    """
    from dexctl.console.output import Output
    from dexctl.console.run_folder import RunFolder, check_run_folder
    from dexctl.console.training_plan import Plan, place
    from dexctl.errors import UsageError
    from dexctl.policy.naming import locate
    from dexctl.profile.load import load

    mine = place(processes)
    if fused:
        given = {
            "--workers": workers,
            "--processes": mine.count > 1,
            "--sync": sync,
            "--bind": bind != LOOPBACK,
            "--endpoint-file": endpoint_file,
            "--key": key,
            "--allow": allow,
            "--worker-key": worker_key,
            "--insecure": insecure,
        }
        for option in (name for name, value in given.items() if value):
            raise UsageError(f"--fused works alone, and {option} is for workers or other processes", "Leave one out.")
    loaded = load(profile, with_backend(settings, physics))
    run = run or Path("runs") / Path(loaded.name).stem
    count = 0 if fused else loaded.profile.run.workers if workers is None else workers
    if sync and not count:
        raise UsageError("--sync waits for workers started here, and there are none", "Give --workers N.")
    begin_with = None if start_from is None else locate(start_from)
    keys = None
    options: tuple[str, ...] = ()
    if key is not None:
        from dexctl.wire.keys import server_keys

        if allow is None or (count and worker_key is None):
            missing = "--allow FOLDER" if allow is None else "--worker-key PATH for the workers started here"
            raise UsageError(f"--key goes with {missing}", "'dexctl keygen PATH' makes key pairs.")
        keys = server_keys(key, allow)
        options = ("--key", str(worker_key), "--server-key", str(key.with_suffix(".key")))
    elif allow is not None or worker_key is not None:
        alone = "--allow" if allow is not None else "--worker-key"
        raise UsageError(f"{alone} is for keys, and there is none of this optimizer", "Give --key PATH, too.")
    if dry_run:
        from dexctl.wire.endpoint import host_to_bind

        check_run_folder(run, loaded, fresh)
        host_to_bind(bind, keys, insecure)
        if begin_with is not None:
            from dexctl.policy import checkpoint

            checkpoint.check_networks(checkpoint.read(begin_with), loaded.profile, ("actor", "critic"))
        return
    plan = Plan(
        workers=count,
        worker_options=options,
        sync=sync,
        bind=bind,
        keys=keys,
        insecure=insecure,
        endpoint_file=endpoint_file,
        start_from=begin_with,
        fused=fused,
        seconds=None if minutes is None else 60.0 * minutes,
        steps=steps or loaded.profile.run.steps or None,
        tensorboard=tensorboard,
    )
    if mine.rank:
        from dexctl.console.peer_session import learn_along

        learn_along(loaded, plan, mine, run)
        return
    # The folder first: what follows takes seconds to import.
    with RunFolder(run, loaded, fresh) as folder:
        from dexctl.console.training_session import Session

        Session(folder, loaded, plan, mine, Output(json, quiet)).train()

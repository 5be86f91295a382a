"""``dexctl rollout-worker``: experience with the newest policy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dexctl.commands.options import Backend, DryRun, Json, OwnKey, Quiet, Settings, complete_profiles


def rollout_worker(
    connect: Annotated[
        list[str],
        typer.Option(metavar="ENDPOINT", help="Where an optimizer listens; repeatable: one is picked at random."),
    ],
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            "-p",
            metavar="PROFILE",
            help="Insist on this profile; by default the optimizer's.",
            autocompletion=complete_profiles,
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="Cores to use; 0 takes all.")] = 0,
    name: Annotated[str | None, typer.Option(help="An id that is kept over restarts; by default a random one.")] = None,
    timeout: Annotated[
        float, typer.Option(min=0.0, metavar="SECONDS", help="How long to wait for an optimizer.")
    ] = 60.0,
    segments_per_version: Annotated[
        int,
        typer.Option(min=0, help="Wait for the next policy after so many segments, as --sync wants; 0 never waits."),
    ] = 0,
    key: OwnKey = None,
    server_key: Annotated[Path | None, typer.Option(metavar="PATH", help="The optimizer's public .key file.")] = None,
    dumps: Annotated[Path, typer.Option(metavar="FOLDER", help="Where failing simulations are written down.")] = Path(
        "failures"
    ),
    physics: Backend = None,
    settings: Settings = None,
    dry_run: DryRun = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Generate experience with the newest policy and send it to an optimizer.

    It may start before the optimizer, moves to another when its own is gone, and leaves by itself
    when none is heard for the profile's wire.orphan_timeout_s.
    """
    from dexctl.console.output import Output
    from dexctl.console.worker_session import WorkerPlan, run_worker
    from dexctl.errors import UsageError
    from dexctl.profile.load import load
    from dexctl.wire.endpoint import host_of
    from dexctl.wire.keys import worker_keys

    for endpoint in connect:
        host_of(endpoint)
    keys = worker_keys(key, server_key)
    if settings and profile is None:
        raise UsageError("--set changes a profile, and the optimizer's is used as it is", "Give --profile too.")
    loaded = load(profile, settings or ()) if profile else None
    if dry_run:
        return
    run_worker(
        WorkerPlan(
            connect=tuple(connect),
            loaded=loaded,
            threads=threads,
            name=name,
            timeout_s=timeout,
            segments_per_version=segments_per_version,
            keys=keys,
            dumps=dumps,
            backend=physics,
        ),
        Output(json, quiet),
    )

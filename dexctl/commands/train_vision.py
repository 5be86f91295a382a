"""``dexctl train-vision``: the pose estimator, from rendered pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dexctl.commands.options import (
    DryRun,
    Fresh,
    Json,
    Quiet,
    SenderKey,
    SenderTimeout,
    Settings,
    complete_profiles,
    complete_runs,
)


def train_vision(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGES",
            help="Datasets of 'dexctl render'; '-' for what it announces on stdin, tcp://HOST:PORT for what it sends.",
        ),
    ],
    run: Annotated[
        Path,
        typer.Option(
            "--run", "-o", metavar="FOLDER", help="The run's folder: made, or resumed.", autocompletion=complete_runs
        ),
    ] = Path("runs/vision"),
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            "-p",
            metavar="PROFILE",
            help="By default the one that the pictures were rendered with.",
            autocompletion=complete_profiles,
        ),
    ] = None,
    held_out: Annotated[
        list[Path] | None,
        typer.Option(metavar="IMAGES", help="Measure on these while training, and never learn from them; repeatable."),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.0, help="Stop after so many minutes; by default at the profile's last batch.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of the arithmetic; by default as many as there are cores.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(metavar="PATH", help="With tcp://: own CURVE key, a .key_secret file.")
    ] = None,
    server_key: SenderKey = None,
    timeout: SenderTimeout = 60.0,
    fresh: Fresh = False,
    settings: Settings = None,
    dry_run: DryRun = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train the pose estimator on rendered pictures; the same command again resumes.

    From datasets it learns round after round. From '-' and tcp:// it learns while 'dexctl render'
    draws, sees no picture twice and ends when the pictures do. Ctrl-C leaves a checkpoint.
    """
    import contextlib

    from dexctl.console.beforehand import check_datasets
    from dexctl.console.output import Output
    from dexctl.console.row_stream import Connecting, is_endpoint
    from dexctl.errors import UsageError

    if (key or server_key) and not any(map(is_endpoint, images)):
        raise UsageError("--key and --server-key are for tcp://", "Leave them away.")
    connecting = Connecting(key, server_key, timeout)
    connecting.check()
    if not any(one == "-" or is_endpoint(one) for one in images):
        check_datasets(map(Path, images))
    check_datasets(held_out or ())
    from dexctl.console.vision_sources import Wanted, open_source

    source = open_source(Wanted(tuple(images), profile, tuple(settings or ()), tuple(held_out or ()), connecting))
    with contextlib.closing(source):
        if dry_run:
            from dexctl.console.run_folder import check_run_folder

            check_run_folder(run, source.loaded, fresh)
            return
        from dexctl.console.run_folder import RunFolder

        with RunFolder(run, source.loaded, fresh) as folder:
            from dexctl.console.vision_session import VisionPlan, VisionSession

            plan = VisionPlan(
                portions=source.portions,
                held_out=source.held_out,
                seconds=None if minutes is None else 60.0 * minutes,
                threads=threads,
            )
            VisionSession(folder, source.loaded, plan, Output(json, quiet)).train()
        source.enough()

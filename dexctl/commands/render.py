"""``dexctl render``: pictures for the pose estimator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from dexctl.commands.options import DryRun, Json, Quiet, SenderKey, SenderTimeout, Settings, complete_profiles


def render(
    states: Annotated[
        str,
        typer.Argument(
            metavar="STATES",
            help="Dataset of 'dexctl simulate --states'; '-' for what it announces on stdin as it plays, "
            "tcp://HOST:PORT for what it sends.",
        ),
    ],
    path: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="IMAGES", help="The dataset: made, or gone on with."),
    ] = None,
    sheet: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Show the first 24 states on one.")] = None,
    video: Annotated[Path | None, typer.Option(metavar="FILE.mp4", help="Film all states.")] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            "-p",
            metavar="PROFILE",
            help="How pictures look; by default the profile that the states were gathered in.",
            autocompletion=complete_profiles,
        ),
    ] = None,
    renderer: Annotated[
        Literal["classic", "filament"],
        typer.Option(help="'classic' is learned from; 'filament', physically based, is tested on."),
    ] = "classic",
    size: Annotated[
        int | None,
        typer.Option(min=8, max=4096, help="Edge of a picture, px; by default the profile's vision.image_px."),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            min=1, help="Render so many states; beyond their number they come again, each time with another look."
        ),
    ] = None,
    per: Annotated[
        Literal["image", "episode"],
        typer.Option(help="Draw the look anew for each state, or for each episode."),
    ] = "image",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that draw; by default as many as there are cores.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Row I of IMAGES is a function of it, I and the state.")] = 0,
    bind: Annotated[
        str | None,
        typer.Option(metavar="ENDPOINT", help="Where 'dexctl train-vision tcp://HOST:PORT' fetches pictures."),
    ] = None,
    key: Annotated[
        Path | None, typer.Option(metavar="PATH", help="With tcp:// or --bind: own CURVE key, a .key_secret file.")
    ] = None,
    server_key: SenderKey = None,
    allow: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="With --bind: public keys of those let in.")
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="With --bind: off loopback without keys.")] = False,
    endpoint_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --bind: where the endpoint is written.")
    ] = None,
    timeout: SenderTimeout = 60.0,
    settings: Settings = None,
    dry_run: DryRun = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Render the cameras' pictures of states with randomized appearance.

    Each state is seen by all cameras of the profile, with the object's pose and everything that was
    drawn beside it. Ctrl-C keeps what was rendered, and the same command again goes on from there.
    """
    import contextlib

    from dexctl.console.machine import usable_cores
    from dexctl.console.output import Output
    from dexctl.console.render_session import RenderPlan, check_render, run_render
    from dexctl.console.render_source import open_states
    from dexctl.console.row_stream import Binding, Connecting
    from dexctl.errors import UsageError

    # One key serves both ways: towards who sends states, and towards who fetches pictures.
    connecting = Connecting(key if server_key else None, server_key, timeout)
    binding = Binding(bind, key if allow else None, allow, insecure, endpoint_file) if bind is not None else None
    if (key is None) != (server_key is None and allow is None):
        raise UsageError("--key goes with --server-key or --allow", "'dexctl keygen PATH' makes key pairs.")
    if bind is None and (allow or insecure or endpoint_file):
        raise UsageError("--allow, --insecure and --endpoint-file are for --bind", "Give --bind tcp://127.0.0.1:0.")
    source = open_states(states, profile, tuple(settings or ()), connecting)
    with contextlib.closing(source):
        vision = source.loaded.profile.vision
        if size is None and vision is None:
            raise UsageError(
                "nothing says how large pictures are", "Give --size, or a --profile with a table [vision]."
            )
        plan = RenderPlan(
            source=source,
            renderer=renderer,
            size_px=size or (vision.image_px if vision else 0),
            seed=seed,
            per=per,
            workers=workers or usable_cores(),
            count=count,
            path=path,
            binding=binding,
            sheet=sheet,
            video=video,
        )
        if dry_run:
            check_render(plan)
            return
        run_render(plan, Output(json, quiet))

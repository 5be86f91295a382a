"""``dexctl keygen``: a CURVE key pair."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dexctl.commands.options import DryRun, Json, Quiet


def keygen(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Makes PATH.key and PATH.key_secret.")],
    json: Json = False,
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Make a CURVE key pair for sockets off loopback.

    Both files can be read by their owner alone, and are never overwritten. Hand PATH.key to
    the other side; PATH.key_secret stays where it is.
    """
    from dexctl.console.key_pair import key_files, make_key_pair
    from dexctl.console.output import Output, Table

    if dry_run:
        key_files(path)
        return
    pair = make_key_pair(path)
    output = Output(json, quiet)
    output.show(
        pair._asdict(),
        Table(
            (),
            [("public key", pair.public_key), ("to hand on", str(pair.public_file)), ("secret", str(pair.secret_file))],
        ),
    )
    output.made(pair.public_file)
    output.made(pair.secret_file)

"""``dexctl inspect``: what a file or folder is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dexctl.commands.options import Json


def inspect(
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="A run, a checkpoint, a dataset, a failing simulation, a profile."),
    ],
    json: Json = False,
) -> None:
    """Tell what a file or folder of dexctl is, and whether it is whole."""
    from dexctl.console.inspection import describe, tables
    from dexctl.console.output import Output

    found = describe(path)
    Output(json).show(found, *tables(found))

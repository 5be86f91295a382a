"""``dexctl doctor``: what works on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dexctl.commands.options import Json, Quiet


def doctor(
    runs: Annotated[Path, typer.Option(metavar="FOLDER", help="Where run folders are to be made.")] = Path("runs"),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Tell what works on this machine, and the cure for what does not.

    Everything is tried, nothing is guessed: one frame is rendered, one port bound, one file
    made and taken away. Exit code 69 when something is missing that the commands need.
    """
    import dataclasses

    from dexctl.console.machine import check_machine
    from dexctl.console.output import Output, Table
    from dexctl.errors import UnavailableError

    checks = check_machine(runs)
    failed = [check for check in checks if check.state == "failed"]
    cures = [(check.name, check.cure) for check in checks if check.cure]
    tables = [Table(("what", "state", "found"), [(check.name, check.state, check.found) for check in checks])]
    if cures:
        tables.append(Table(("for", "do this"), cures))
    Output(json, quiet).show(
        {"ok": not failed, "checks": [dataclasses.asdict(check) for check in checks]},
        *tables,
    )
    if failed:
        first = failed[0]
        raise UnavailableError(f"{', '.join(check.name for check in failed)}: needed and missing", first.cure)

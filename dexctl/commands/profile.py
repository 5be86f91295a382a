"""``dexctl profile``: list the shipped profiles, show one resolved, check some."""

from __future__ import annotations

from typing import Annotated

import typer

from dexctl.commands.options import Json, Settings, complete_profiles
from dexctl.console.output import Output, Table
from dexctl.errors import ProfileError

app = typer.Typer(help="List, show and check profiles.", no_args_is_help=True)

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="A shipped profile by name, or a .toml file.", autocompletion=complete_profiles
    ),
]
Names = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME...", help="Shipped profiles by name, or .toml files.", autocompletion=complete_profiles
    ),
]


@app.command("list")
def list_profiles(json: Json = False) -> None:
    """List the shipped profiles; parts are there to be inherited."""
    import dataclasses

    from dexctl.profile.load import names

    listed = names()
    rows = [(one.name, "part" if one.part else "whole", one.description) for one in listed]
    Output(json).show({"profiles": list(map(dataclasses.asdict, listed))}, Table(("name", "kind", "description"), rows))


@app.command("show")
def show(name: Name, settings: Settings = None, json: Json = False) -> None:
    """Show a profile with all it inherits, as TOML with the origin of every value."""
    from dexctl.profile.load import load

    loaded = load(name, settings or ())
    tables = [
        Table((), [(line,) for line in lines], f"[{title}]" if title else "") for title, lines in loaded.to_tables()
    ]
    Output(json).show(loaded.to_document(), *tables)


@app.command("check")
def check(names: Names, settings: Settings = None, json: Json = False) -> None:
    """Check profiles; parts are checked for what they say, whole ones altogether."""
    from dexctl.profile.load import check_part, is_part, load

    results: list[tuple[str, str, str | None]] = []
    faults: list[str] = []
    for name in names:
        try:
            if is_part(name):
                check_part(name, settings or ())
                results.append((name, "part", None))
            else:
                results.append((name, "whole", load(name, settings or ()).digest))
        except ProfileError as error:
            results.append((name, "wrong", None))
            faults.append(str(error))
    columns = ("name", "kind", "digest")
    document = {"profiles": [dict(zip(columns, one, strict=True)) for one in results], "faults": faults}
    Output(json).show(document, Table(columns, results))
    if faults:
        raise ProfileError("\n".join(faults))

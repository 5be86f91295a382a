"""Options that commands share, each defined once: annotate a parameter with one of these."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def complete_profiles(incomplete: str) -> list[str]:
    """Names of shipped profiles that begin so; files complete by themselves."""
    from dexctl.profile.layers import shipped_files

    return [name for name in shipped_files() if name.startswith(incomplete)]


def complete_paper_rows(incomplete: str) -> list[str]:
    """Names of the paper's rows of goals that begin so."""
    from dexctl.evaluate.paper import results

    return [name for name in results().goals if name.startswith(incomplete)]


def complete_runs(incomplete: str) -> list[str]:
    """Run folders that begin so, in ``runs`` when nothing is typed yet; then the checkpoints of one run."""
    import glob

    from dexctl.console.run_folder import LOCK
    from dexctl.policy import CHECKPOINTS

    typed = incomplete or "runs/"
    start = glob.escape(typed)
    runs = [lock.removesuffix(f"/{LOCK}") for lock in glob.glob(f"{start}*/{LOCK}")]
    inside = f"{start}*" if f"/{CHECKPOINTS}/" in typed else f"{start.rstrip('/')}/{CHECKPOINTS}/*"
    return sorted(runs) + sorted(glob.glob(inside))


def complete_policies(incomplete: str) -> list[str]:
    """Policies that begin so: those that ship, the baselines, runs and checkpoints."""
    from dexctl.policy.naming import BASELINES, shipped_policies

    names = [*shipped_policies(), *BASELINES]
    return [name for name in names if name.startswith(incomplete)] + complete_runs(incomplete)


def with_backend(settings: list[str] | None, physics: str | None) -> list[str]:
    """The settings, with what ``--physics`` says among them."""
    return [*(settings or ()), *([f'physics.backend="{physics}"'] if physics else ())]


Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON document; events also on a terminal.")]

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only the path or id of what was made.")]

DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Check everything, touch nothing.")]

# The environment's own settings are read below the command line's, by the profile loader.
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="TABLE.KEY=VALUE",
        help="Change a key of the profile; repeatable.  [environment: DEXCTL_SET, with ';' between]",
        allow_from_autoenv=False,
    ),
]

Backend = Annotated[
    Literal["cpu", "warp"] | None,
    typer.Option("--physics", help="What steps the simulations, warp on a GPU; by default the profile's."),
]

ProfileName = Annotated[
    str,
    typer.Option(
        "--profile",
        "-p",
        metavar="PROFILE",
        help="A shipped profile by name, or a .toml file.",
        autocompletion=complete_profiles,
    ),
]

PolicyPath = Annotated[
    str,
    typer.Option(
        "--policy",
        metavar="PATH",
        help="A run, a checkpoint or a shipped policy; or 'random', or 'zero'.",
        autocompletion=complete_policies,
    ),
]

RunPath = Annotated[
    Path | None,
    typer.Option(
        "--run",
        metavar="FOLDER",
        help="The run's folder: made, or resumed; by default runs/PROFILE.",
        autocompletion=complete_runs,
    ),
]

Fresh = Annotated[bool, typer.Option("--fresh", help="Start over in a new folder beside the run's, never over it.")]

OwnKey = Annotated[
    Path | None, typer.Option("--key", metavar="PATH", help="Own CURVE key: a .key_secret file, see keygen.")
]

SenderKey = Annotated[
    Path | None, typer.Option("--server-key", metavar="PATH", help="With tcp://: the sender's public .key file.")
]

SenderTimeout = Annotated[
    float, typer.Option("--timeout", min=0.0, metavar="SECONDS", help="With tcp://: how long to wait for the sender.")
]

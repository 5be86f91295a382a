"""``dexctl status``: who works for an optimizer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dexctl.commands.options import Json, Quiet


def status(
    endpoint: Annotated[
        list[str],
        typer.Argument(metavar="ENDPOINT", help="Where optimizer processes listen: tcp://HOST:PORT."),
    ],
    key: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Own CURVE key: a .key_secret file that is let in.")
    ] = None,
    server_key: Annotated[Path | None, typer.Option(metavar="PATH", help="The optimizer's public .key file.")] = None,
    timeout: Annotated[float, typer.Option(min=0.0, metavar="SECONDS", help="How long to wait for an answer.")] = 5.0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Tell who works for an optimizer: host, rate, staleness, last seen.

    Training is not touched: the optimizer's socket answers, whatever the optimizer does.
    """
    from dexctl.console.output import Output
    from dexctl.console.worker_table import document, table
    from dexctl.errors import UsageError
    from dexctl.wire.asking import ask
    from dexctl.wire.keys import worker_keys

    if (key is None) != (server_key is None):
        raise UsageError("--key and --server-key go together", "'dexctl keygen PATH' makes key pairs.")
    keys = worker_keys(key, server_key) if key and server_key else None
    answers = {one: ask(one, keys, timeout) for one in endpoint}
    workers = [worker for answer in answers.values() for worker in answer.workers]
    Output(json, quiet).show(document(answers), table(workers, f"{len(workers)} workers"))

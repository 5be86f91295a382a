"""``dexctl status``: who works for an optimizer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dexctl.commands.options import Json, OwnKey, Quiet


def status(
    endpoint: Annotated[
        list[str],
        typer.Argument(metavar="ENDPOINT", help="Where optimizer processes listen: tcp://HOST:PORT."),
    ],
    key: OwnKey = None,
    server_key: Annotated[Path | None, typer.Option(metavar="PATH", help="The optimizer's public .key file.")] = None,
    timeout: Annotated[float, typer.Option(min=0.0, metavar="SECONDS", help="How long to wait for an answer.")] = 5.0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Tell who works for an optimizer: host, rate, staleness, last seen.

    Training is not touched: the optimizer's socket answers, whatever the optimizer does. Of several
    endpoints all are asked at once; where one does not answer, the others are told all the same.
    """
    from dexctl.console.output import Output
    from dexctl.console.worker_table import document, table
    from dexctl.errors import DexctlError
    from dexctl.wire.asking import ask_all
    from dexctl.wire.keys import worker_keys

    answers = ask_all(endpoint, worker_keys(key, server_key), timeout)
    failed = [answer for answer in answers.values() if isinstance(answer, DexctlError)]
    if len(failed) < len(answers):
        workers = [one for answer in answers.values() if not isinstance(answer, DexctlError) for one in answer.workers]
        Output(json, quiet).show(document(answers), table(workers, f"{len(workers)} workers"))
    if failed:
        raise failed[0]

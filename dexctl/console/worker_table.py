"""The workers of an optimizer, for people and for scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from dexctl.console.output import Cell, Table
from dexctl.errors import DexctlError
from dexctl.wire.messages import Answer, WorkerView

SHOWN = 16
HEADINGS = ("worker", "name", "host", "pid", "steps/s", "policy", "behind", "last seen, s")


def table(workers: Sequence[WorkerView], title: str) -> Table:
    """A row for each worker."""
    return Table(HEADINGS, [_row(worker) for worker in workers], title)


def first_rows(workers: Sequence[WorkerView]) -> Table:
    """As many as fit on a screen, and how many there are."""
    return table(workers[:SHOWN], f"{SHOWN} of {len(workers)} workers" if len(workers) > SHOWN else "")


def document(answers: Mapping[str, Answer | DexctlError]) -> dict[str, Any]:
    """What optimizer processes answered, by endpoint; ``error`` where one did not."""
    return {"optimizers": [{"endpoint": endpoint, **_told(one)} for endpoint, one in answers.items()]}


def _told(answer: Answer | DexctlError) -> dict[str, Any]:
    return {"error": str(answer).partition("\n")[0]} if isinstance(answer, DexctlError) else msgspec.to_builtins(answer)


def _row(worker: WorkerView) -> tuple[Cell, ...]:
    return (
        worker.worker,
        worker.name,
        worker.host,
        worker.pid,
        worker.steps_per_s,
        worker.version,
        worker.staleness,
        worker.silent_s,
    )

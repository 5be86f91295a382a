"""The workers of an optimizer, for people and for scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from dexctl.console.output import Cell, Table
from dexctl.wire.messages import Answer, WorkerView

HEADINGS = ("worker", "name", "host", "pid", "steps/s", "policy", "behind", "last seen, s")


def table(workers: Sequence[WorkerView], title: str) -> Table:
    """A row for each worker."""
    return Table(HEADINGS, [_row(worker) for worker in workers], title)


def document(answers: Mapping[str, Answer]) -> dict[str, Any]:
    """What optimizer processes answered, by endpoint."""
    return {"optimizers": [{"endpoint": endpoint, **msgspec.to_builtins(one)} for endpoint, one in answers.items()]}


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

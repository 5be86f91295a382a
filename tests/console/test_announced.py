import json
from pathlib import Path

import pytest

from dexctl.console.announced import Announced, announced_rows
from dexctl.errors import DataError, UnavailableError

ROWS = {"event": "rows", "dataset": "a.zarr", "start": 0, "stop": 8}
END = {"event": "end", "status": "done", "code": 0}


def lines(*events):
    return [json.dumps(event).encode() + b"\n" for event in events]


def test_rows_are_told_as_they_come_and_other_events_are_passed_over():
    stream = iter(lines({"event": "start"}, ROWS, {"event": "new", "x": 1}, {**ROWS, "start": 8, "stop": 9}, END))
    rows = announced_rows(stream)
    assert next(rows) == Announced(Path("a.zarr"), 0, 8)
    assert len(list(stream)) == 3, "the first row was told before the rest was read"
    found = list(announced_rows(lines(ROWS, {**ROWS, "start": 8, "stop": 9}, END)))
    assert [(row.start, row.stop) for row in found] == [(0, 8), (8, 9)]


@pytest.mark.parametrize("last", [[], [{"event": "end", "code": 137, "status": "failed"}]])
def test_rows_before_a_failure_are_told_and_then_the_failure(last):
    rows = announced_rows(lines(ROWS, *last))
    assert next(rows).stop == 8
    with pytest.raises(UnavailableError, match="command before"):
        next(rows)


@pytest.mark.parametrize(
    "line",
    [
        *(b"row 3\n", b"[]\n", b"{}\n", b'{"event": 3}\n', b"\xff\n"),
        *lines({**ROWS, "start": -1}, {**ROWS, "stop": 1.5}, {**ROWS, "start": 9}, {**ROWS, "dataset": None}),
    ],
)
def test_what_is_no_event_of_rows_is_refused_by_its_line(line):
    with pytest.raises(DataError, match="line 2"):
        list(announced_rows([*lines(ROWS), line]))

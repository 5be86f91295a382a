import json
import math

import pytest

from dexctl.console.output import Output, Table
from dexctl.errors import InputOutputError

TABLE = Table(("name", "mean"), [("random", 0.28), ("trained", 12345.6)])


def test_columns_stand_in_line_with_numbers_to_the_right():
    assert TABLE.lines() == ["name       mean", "random     0.28", "trained  12,346"]


def test_a_table_without_rows_is_its_headings():
    assert Table(("name", "mean"), []).lines() == ["name  mean"]


def test_a_table_without_anything_is_empty():
    assert Table((), []).lines() == []


def test_cells_cannot_drive_the_terminal():
    assert Table((), [("\x1b[2Jgone", "two\nlines")]).lines() == ["\\x1b[2Jgone  two lines"]


def test_missing_cells_and_truths_are_words():
    assert Table((), [(None, True, False, math.nan)]).lines() == ["-  yes  no  nan"]


def test_json_is_one_document_on_one_line(capsys):
    Output(json=True).show({"mean": math.inf}, TABLE)
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert json.loads(printed) == {"mean": None, "nonfinite": ["mean"]}


def test_without_json_there_are_tables_with_a_line_between(capsys):
    Output().show({}, TABLE, Table((), [("a",)]))
    assert capsys.readouterr().out == "name       mean\nrandom     0.28\ntrained  12,346\n\na\n"


def test_quiet_prints_only_what_was_made(capsys):
    output = Output(json=True, quiet=True)
    output.show({"mean": 1.0}, TABLE)
    output.made("runs/a")
    assert capsys.readouterr().out == "runs/a\n"


def test_what_was_made_is_part_of_the_document_otherwise(capsys):
    Output().made("runs/a")
    assert capsys.readouterr().out == ""


def test_a_closed_stdout_is_told(monkeypatch):
    monkeypatch.setattr("sys.stdout", None)
    with pytest.raises(InputOutputError, match="closed"):
        Output(json=True).show({})
    assert Output().event_stream() is None


@pytest.mark.parametrize(
    ("terminal", "json", "quiet", "streams"),
    [
        (False, False, False, True),
        (False, True, False, True),
        (False, False, True, False),
        (True, False, False, False),
        (True, True, False, True),
        (True, True, True, False),
    ],
)
def test_events_go_to_stdout_unless_a_person_or_quiet_is_there(monkeypatch, terminal, json, quiet, streams):
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    assert (Output(json, quiet).event_stream() is not None) == streams

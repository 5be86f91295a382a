"""The events page: that it can be read as a schema, knows what the package emits, and tells what is wrong."""

import ast
import json
from pathlib import Path

import pytest

from .events_page import KINDS, PLAIN, faults

PACKAGE = Path(__file__).parents[2] / "dexctl"
TELLERS = {"emit", "_emit", "_tell", "tell"}
START = {
    "event": "start",
    "v": 1,
    "t": "2026-01-01T00:00:00.123Z",
    "run": "a",
    "seq": 0,
    "command": "simulate",
    "version": "0.1.0",
    "argv": ["dexctl"],
    "profile": None,
    "host": "here",
    "pid": 1,
    "seed": 0,
}


def emitted():
    """Kinds of events that stand in the package's calls."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute | ast.Name) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            if name in TELLERS and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
                yield node.args[0].value


def test_the_page_has_every_event_of_the_package_and_no_other():
    # Rows are announced under the name of the command that writes them.
    assert {*emitted(), "rows"} == KINDS.keys() - {""}


def test_every_type_of_the_page_is_one_that_can_be_checked():
    types = {type_.removesuffix(" or null") for keys in KINDS.values() for type_, _ in keys.values()}
    assert {word for type_ in types for word in type_.split(" of ")} <= PLAIN.keys() | {"list"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, []),
        ({"event": "startle"}, ["the page has no event 'startle'"]),
        ({"seed": "0"}, ["start.seed: not integer or null: '0'"]),
        ({"pid": True}, ["start.pid: not integer: True"]),
        ({"argv": ["a", 1]}, ["start.argv: not list of text: ['a', 1]"]),
        ({"mood": "good"}, ["start: the page has no key 'mood'"]),
        ({"pid": None, "nonfinite": ["pid"]}, []),
    ],
)
def test_what_is_wrong_with_an_event_is_told(change, told):
    assert faults(START | change, "simulate") == told


def test_a_key_that_is_missing_is_told():
    assert faults({key: value for key, value in START.items() if key != "host"}, "simulate") == ["start: no key 'host'"]


@pytest.mark.parametrize("line", ["simulate -p block-yaw --seconds 0.1", "keygen key --json"])
def test_commands_write_lines_of_json_and_events_fit_the_page(shell, line):
    done = shell(f"dexctl {line}")
    assert done.returncode == 0, done.stderr
    documents = [json.loads(one) for one in done.stdout.splitlines()]
    assert documents
    events = [one for one in documents if "event" in one]
    assert [fault for event in events for fault in faults(event, line.split()[0])] == []

import shlex
import sys

import pytest

ESCAPE = "\x1b["
PROGRESS = """
import sys, time
from dexctl.console import messages
from dexctl.console.progress import Progress
with Progress("optimize") as progress:
    progress.update({"steps/s": 3200, "goals in a row": 0.28})
    messages.warning("a worker left")
    progress.update({"steps/s": 3300})
"""
RUN_PROGRESS = f"{sys.executable} -c {shlex.quote(PROGRESS)}"


@pytest.mark.parametrize(
    ("line", "variables"),
    [
        *((line, {}) for line in ("dexctl optimise", "dexctl keygen --help", RUN_PROGRESS)),
        *((line, {"FORCE_COLOR": "1"}) for line in ("dexctl profile list", "dexctl optimise", RUN_PROGRESS)),
        *((line, {"TERM": "dumb"}) for line in ("dexctl optimise", "dexctl keygen --help", RUN_PROGRESS)),
    ],
)
def test_off_a_terminal_nothing_is_colored(shell, line, variables):
    result = shell(line, **variables)
    assert result.stdout + result.stderr
    assert ESCAPE not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("variables", "colored"),
    [
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
    ],
)
def test_a_terminal_is_colored_where_it_wants_to_be(terminal, variables, colored):
    _, screen = terminal("dexctl optimise", **variables)
    assert screen
    assert (ESCAPE in screen) == colored


@pytest.mark.parametrize(("variables", "colored"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_table_is_too(terminal, variables, colored):
    _, screen = terminal("dexctl profile list", **variables)
    assert screen
    assert (ESCAPE in screen) == colored


def test_an_error_on_a_terminal_keeps_its_code(terminal):
    code, screen = terminal("dexctl optimise")
    assert code == 64
    assert "\x1b[31merror:\x1b[0m no command 'optimise'" in screen


def test_progress_on_a_terminal_is_a_panel_and_messages_stand_above(terminal):
    code, screen = terminal(RUN_PROGRESS)
    assert code == 0
    assert "╭" in screen
    assert "3,300" in screen
    assert "a worker left" in screen
    assert screen.rindex("\x1b[?25h") > screen.rindex("\x1b[?25l")


@pytest.mark.parametrize("variables", [{"TERM": "dumb"}, {"TERM": "dumb", "FORCE_COLOR": "1"}])
def test_progress_on_a_dumb_terminal_is_plain_lines(terminal, variables):
    _, screen = terminal(RUN_PROGRESS, **variables)
    assert "steps/s 3,200, goals in a row 0.28" in screen
    assert "╭" not in screen


def test_progress_off_a_terminal_is_plain_lines(shell):
    result = shell(RUN_PROGRESS)
    assert result.stderr == "info: steps/s 3,200, goals in a row 0.28\nwarning: a worker left\n"

import io

import pytest

from dexctl.console import messages


class Stream(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self.terminal = terminal

    def isatty(self):
        return self.terminal


@pytest.mark.parametrize(
    ("terminal", "environment", "color"),
    [
        (True, {"TERM": "xterm"}, True),
        (True, {"TERM": "dumb"}, False),
        (True, {}, False),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (True, {"TERM": "xterm", "NO_COLOR": ""}, True),
        (True, {"TERM": "dumb", "FORCE_COLOR": "1"}, True),
        (True, {"TERM": "xterm", "NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (False, {"TERM": "xterm"}, False),
        (False, {"TERM": "xterm", "FORCE_COLOR": "1"}, False),
    ],
)
def test_color_is_for_terminals_that_want_it(terminal, environment, color):
    assert messages.wants_color(Stream(terminal), environment) == color


def test_a_closed_or_missing_stream_is_no_terminal():
    closed = io.StringIO()
    closed.close()
    assert not messages.is_terminal(closed)
    assert not messages.is_terminal(None)


@pytest.mark.parametrize("level", ["error", "warning", "info"])
def test_a_message_is_its_level_and_its_text(capsys, level):
    getattr(messages, level)("one\ntwo")
    assert capsys.readouterr() == ("", f"{level}: one\ntwo\n")


def test_a_message_cannot_drive_the_terminal(capsys):
    messages.error("file \x1b[2J: gone\r")
    assert capsys.readouterr().err == "error: file \\x1b[2J: gone\\r\n"


def test_on_a_terminal_only_the_level_is_colored(monkeypatch):
    stream = Stream(True)
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr(messages, "wants_color", lambda _: True)
    messages.warning("text")
    assert stream.getvalue() == "\x1b[33mwarning:\x1b[0m text\n"


def test_without_stderr_messages_vanish(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    messages.error("nobody hears it")

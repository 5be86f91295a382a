import pytest

from dexctl.console.output import Table
from dexctl.console.progress import INTERVAL_S, Progress, shown, shown_duration


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


def test_off_a_terminal_there_is_one_plain_line_an_interval(capsys):
    clock = Clock()
    with Progress("optimize", clock=clock) as progress:
        progress.update({"steps/s": 3200, "reward": 0.5})
        progress.update({"reward": 0.6})
        clock.now_s += INTERVAL_S - 1
        progress.update({"reward": 0.7})
        clock.now_s += 1
        progress.update({"reward": 0.8})
    assert capsys.readouterr() == ("", "info: steps/s 3,200, reward 0.5\ninfo: steps/s 3,200, reward 0.8\n")


def test_a_panel_s_rows_are_renewed_once_a_second_between_the_values(monkeypatch, capsys):
    monkeypatch.setattr("dexctl.console.messages.is_live", lambda stream: True)
    clock, shown_rows = Clock(), []

    def rows():
        shown_rows.append(clock.now_s)
        return Table(("worker",), [(len(shown_rows),)], "")

    with Progress("optimize", clock=clock) as progress:
        for _ in range(5):
            progress.show_rows(rows)
            clock.now_s += 0.5
    assert shown_rows == [100.0, 101.0, 102.0]
    assert "worker" in capsys.readouterr().err


def test_off_a_terminal_nobody_asks_for_rows(capsys):
    with Progress("optimize", clock=Clock()) as progress:
        progress.show_rows(lambda: pytest.fail("nothing shows them"))
    assert capsys.readouterr().err == ""


def test_quiet_shows_nothing(capsys):
    with Progress("optimize", quiet=True) as progress:
        progress.update({"reward": 0.5})
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("value", "text"),
    [(3200, "3,200"), (1234.5, "1,234"), (0.123456, "0.1235"), ("a\x1b[2J", "a\\x1b[2J"), (float("nan"), "nan")],
)
def test_values_are_shown_with_four_digits(value, text):
    assert shown(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(4.6, "5 s"), (59.7, "1 min 00 s"), (184, "3 min 04 s"), (3720, "1 h 02 min"), (-1, "0 s")],
)
def test_durations_are_shown_in_two_units(seconds, text):
    assert shown_duration(seconds) == text

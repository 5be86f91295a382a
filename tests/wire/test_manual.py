import itertools
from pathlib import Path

import pytest

from dexctl.wire import messages, row_messages
from dexctl.wire.layout import ArrayLayout, Layout

PAGE = (Path(__file__).parents[2] / "man" / "dexctl-wire.5").read_text().replace("\\-", "-")
SIDES = {
    "FROM THE WORKER": messages.FromWorker,
    "FROM THE OPTIMIZER": messages.FromOptimizer,
    "FROM THE RECEIVER": row_messages.FromReceiver,
    "FROM THE SENDER": row_messages.FromSender,
}
KINDS = [(side, kind) for side, union in SIDES.items() for kind in union.__args__]


def section(title):
    return PAGE.partition(f".SH {title}\n")[2].partition("\n.SH ")[0]


def words(text):
    """Everything that is set in bold."""
    lines = [line for line in text.splitlines() if line.startswith((".B ", ".BR "))]
    return {word.strip('":;,.') for line in lines for word in line.split()[1:]}


def entry(side, kind):
    name = kind.__struct_config__.tag
    return section(side).partition(f".TP\n.B {name}\n")[2].partition("\n.TP\n")[0]


@pytest.mark.parametrize(("side", "kind"), KINDS)
def test_every_message_stands_in_the_page_with_every_field(side, kind):
    assert entry(side, kind)
    assert set(kind.__struct_fields__) <= words(entry(side, kind))


@pytest.mark.parametrize("side", SIDES)
def test_the_page_has_no_message_that_does_not_exist(side):
    listed = [line.removeprefix(".B ") for before, line in pairs(section(side)) if before == ".TP"]
    assert sorted(listed) == sorted(kind.__struct_config__.tag for kind in SIDES[side].__args__)


def pairs(text):
    lines = text.splitlines()
    return itertools.pairwise(lines)


def test_the_page_describes_the_layout():
    assert {*Layout.__struct_fields__, *ArrayLayout.__struct_fields__} <= words(
        entry("FROM THE OPTIMIZER", messages.Welcome)
    )


def test_the_page_describes_a_column_and_the_bounds_of_rows():
    assert set(row_messages.RowColumn.__struct_fields__) <= words(entry("FROM THE SENDER", row_messages.Opened))
    assert f"at most {row_messages.RECEIVER_CONTROL_BYTES} bytes long, a sender's" in PAGE
    assert f"a sender's at most {row_messages.SENDER_CONTROL_BYTES >> 20} MiB" in PAGE
    assert f"no frame is longer than {row_messages.PORTION_BYTES >> 20} MiB" in PAGE
    assert row_messages.PORTIONS_AHEAD == 4
    assert "at most four are asked for" in PAGE


def test_the_page_describes_a_worker():
    assert set(messages.WorkerView.__struct_fields__) <= words(entry("FROM THE OPTIMIZER", messages.Answer))


def test_the_pages_numbers_are_the_programs():
    assert f"protocol version {messages.PROTOCOL}." in PAGE
    assert f"at most {messages.WORKER_CONTROL_BYTES} bytes" in PAGE
    assert f"at most {messages.OPTIMIZER_CONTROL_BYTES >> 20} MiB" in PAGE
    assert f"on: {messages.PIECE_BYTES >> 20} MiB" in PAGE
    assert messages.PIECES_AHEAD == 4
    assert "at most four are under way" in PAGE

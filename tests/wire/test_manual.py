import itertools
from pathlib import Path

import pytest

from dexctl.wire import (
    arrivals,
    editions,
    layout,
    messages,
    optimizer_thread,
    parameters,
    robot_messages,
    roster,
    row_messages,
    row_sender,
    vigil,
    worker_thread,
)
from dexctl.wire.layout import ArrayLayout, Layout

PAGE = (Path(__file__).parents[2] / "man" / "dexctl-wire.5").read_text().replace("\\-", "-")
SIDES = {
    "FROM THE WORKER": messages.FromWorker,
    "FROM THE OPTIMIZER": messages.FromOptimizer,
    "FROM THE RECEIVER": row_messages.FromReceiver,
    "FROM THE SENDER": row_messages.FromSender,
    "FROM THE CONTROLLER": robot_messages.FromController,
    "FROM THE ROBOT": robot_messages.FromRobot,
}
# What all that a robot is asked, or answers, has.
IN_ALL = {*robot_messages.Question.__struct_fields__, *robot_messages.Answer.__struct_fields__}
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
    in_all = IN_ALL if issubclass(kind, robot_messages.Question | robot_messages.Answer) else set()
    assert set(kind.__struct_fields__) - in_all <= words(entry(side, kind))


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


def test_the_page_describes_a_robot_its_quantities_and_its_frames():
    assert all(name in section("ROBOTS") for name in IN_ALL)
    features = entry("FROM THE ROBOT", robot_messages.Description)
    assert set(robot_messages.Features.__struct_fields__) <= words(features)
    assert words(section("QUANTITIES")) - {""} == robot_messages.QUANTITIES.keys()
    for name, shape in robot_messages.QUANTITIES.items():
        lines = section("QUANTITIES").partition(name)[2].splitlines()
        assert f"({', '.join(map(str, shape))})" in lines[1], name
    made = robot_messages.Features(
        name="r",
        joints=("a", "b"),
        actuators=("c",),
        joint_range_rad=((0.0, 1.0),) * 2,
        velocity_limit_rad_s=1.0,
        control_range_rad=((0.0, 1.0),),
        force_limit_nm=(1.0,),
        loop_period_s=0.001,
        watchdog_s=1.0,
        relax_s=1.0,
        command_age_s=1.0,
        clock="real",
        senses=(),
    )
    placed = entry("FROM THE CONTROLLER", robot_messages.Place)
    assert words(placed) == {spec.name for spec in made.state().specs}
    assert [f"({extent})" in placed for extent in ("J", "7", "6", "J + 6")] == [True] * 4
    assert [spec.shape for spec in made.state().specs] == [(2,), (2,), (7,), (6,), (8,)]
    assert f"control frames are at most {robot_messages.CONTROLLER_CONTROL_BYTES} bytes long, a robot's" in PAGE
    assert f"a robot's at most {robot_messages.ROBOT_CONTROL_BYTES >> 20} MiB" in PAGE


def limits(annotated):
    """What bounds a type."""
    return annotated.__metadata__[0]


def test_the_pages_limits_are_the_programs():
    told = section("LIMITS")
    name, text, token, seconds = map(limits, (messages.Name, messages.Text, messages.Token, messages.Seconds))
    told_of_texts = f"{name.min_length} to {name.max_length} characters, another text at most {text.max_length}"
    assert f"A name has {told_of_texts}, a token at most {token.max_length} bytes" in told
    assert f"above {seconds.gt} and at most {seconds.le}." in told
    lists = f"longer than {limits(messages.Numbers).max_length}, and no report has more than"
    assert f"{lists} {limits(messages.Report).max_length} numbers" in told
    assert f"of at most {layout.SEGMENT_BYTES >> 30} GiB.\n" in told
    assert f"at most {messages.PARAMETERS_BYTES >> 30} GiB in at most 4096 arrays" in told
    assert f"an index of at most {parameters.INDEX_BYTES >> 20} MiB" in told
    assert f"Who connects has {vigil.HELLO_S:g} s" in told
    assert row_sender._OPEN_S == vigil.HELLO_S
    assert f"at most {(vigil.SLACK_BYTES + messages.WORKER_CONTROL_BYTES) / 2**20:.1f} MiB before the hello" in told
    assert f"and {vigil.SLACK_BYTES >> 20} MiB more" in told
    assert f"{vigil.WORDS} may come at once" in told
    assert f"sends none for {vigil.STALLED_S:g} s" in told
    assert f"an optimizer for {worker_thread.ATTEMPT_S:g} s" in told
    assert f"no further for {editions.PATIENCE_S:g} s" in told
    assert f"at most {optimizer_thread.DISMISSAL_S:g} s for its workers" in told
    assert f"the last {roster.REMEMBERED} that left" in told
    assert f"cut off {optimizer_thread.FAREWELL_S:g} s later" in section("SECURITY")
    assert f"every {arrivals.Complaints.INTERVAL_S:g} s with" in section("SECURITY")

import pytest

from dexctl.wire.layout import ArrayLayout, Layout
from dexctl.wire.messages import Fault, Hello, SegmentHeader
from dexctl.wire.roster import Roster

LAYOUT = Layout(1, 2, (ArrayLayout("x", "float32", ("T", "N")),))


def hello(worker="w", **changes):
    keys = {"incarnation": 1, "token": b"", "digest": "d", "layout": "", "host": "h", "pid": 1, "memory": ""}
    return Hello(**{"worker": worker, "sequence": 0, **keys, **changes})


def header(sequence, worker="w", **changes):
    keys = {"version": 0, "environments": 2, "steps": 1, "report": {}}
    return SegmentHeader(worker=worker, sequence=sequence, **{**keys, **changes})


def take(roster, session, newest=0, **changes):
    return roster.take(session, header(**changes), [memoryview(bytes(8))], newest)


@pytest.fixture
def roster():
    return Roster("d", LAYOUT, forget_index_s=10.0)


def test_indices_are_small_and_stay_with_the_worker(roster):
    sessions = [roster.greet(hello(name), "", name.encode(), 0.0) for name in "abc"]
    assert [session.index for session in sessions] == [0, 1, 2]
    roster.lose(sessions[1], 1.0)
    assert roster.greet(hello("d"), "", b"d", 2.0).index == 3
    assert roster.greet(hello("b", incarnation=2), "", b"b2", 3.0).index == 1


@pytest.mark.parametrize("how", ["said goodbye", "lost for long"])
def test_the_index_of_a_worker_that_is_gone_is_given_again(roster, how):
    first = roster.greet(hello("a"), "", b"a", 0.0)
    if how == "said goodbye":
        roster.leave(first, 1.0)
    else:
        roster.lose(first, 1.0)
        roster.free_indices(12.0)
    assert roster.greet(hello("b"), "", b"b", 13.0).index == 0
    assert roster.greet(hello("a", token=first.token), "", b"a2", 14.0).index == 1


def test_a_worker_that_comes_back_goes_on_where_it_was(roster):
    session = roster.greet(hello(), "", b"1", 0.0)
    take(roster, session, sequence=1)
    take(roster, session, sequence=2)
    session.outstanding.discard(1)
    roster.lose(session, 1.0)
    again = roster.greet(hello(token=session.token), "", b"2", 2.0)
    assert (again.received, again.outstanding) == (2, {2})
    with pytest.raises(Fault, match="came before"):
        take(roster, again, sequence=2)
    take(roster, again, sequence=3)
    assert again.segments == 3


def test_only_those_that_are_waited_for_are_let_in():
    roster = Roster("d", LAYOUT, forget_index_s=10.0, only=frozenset({"mine"}))
    with pytest.raises(Fault, match="takes its own workers alone, not other") as refused:
        roster.greet(hello("other"), "", b"1", 0.0)
    assert refused.value.code == 75
    assert roster.greet(hello("mine"), "", b"2", 1.0).index == 0
    assert [session.name for session in roster.living()] == ["mine"]


def test_messages_of_the_connection_before_are_nobodys(roster):
    session = roster.greet(hello(), "", b"1", 0.0)
    roster.greet(hello(token=session.token), "", b"2", 1.0)
    assert roster.of_route(b"1") is None
    assert roster.of_route(b"2") is session


def test_a_worker_that_sent_elsewhere_meanwhile_goes_on_after_that(roster):
    session = roster.greet(hello(), "", b"1", 0.0)
    take(roster, session, sequence=1)
    roster.lose(session, 1.0)
    again = roster.greet(hello(token=session.token, sequence=9), "", b"2", 2.0)
    assert again.received == 9


@pytest.mark.parametrize("confirmed", [False, True])
@pytest.mark.parametrize("token", [b"", b"wrong"])
def test_only_the_token_proves_who_comes_back(roster, token, confirmed):
    session = roster.greet(hello(), "", b"1", 0.0)
    session.confirmed = confirmed
    if token or confirmed:
        with pytest.raises(Fault, match="token"):
            roster.greet(hello(token=token), "", b"2", 1.0)
    else:
        # The welcome may have been lost with the connection.
        assert roster.greet(hello(token=token), "", b"2", 1.0) is session


def test_a_second_process_of_the_same_name_waits_for_the_first_to_go(roster):
    first = roster.greet(hello(), "", b"1", 0.0)
    with pytest.raises(Fault, match="another process") as refusal:
        roster.greet(hello(incarnation=2), "", b"2", 0.0)
    assert refusal.value.code == 75
    roster.lose(first, 1.0)
    second = roster.greet(hello(incarnation=2), "", b"2", 2.0)
    assert second is not first
    assert second.received == 0


def test_a_worker_keeps_to_the_key_it_came_with(roster):
    roster.lose(roster.greet(hello(), "key one", b"1", 0.0), 1.0)
    with pytest.raises(Fault, match="another key") as refusal:
        roster.greet(hello(incarnation=2), "key two", b"2", 2.0)
    assert refusal.value.code == 77


def test_a_blocked_process_stays_out_and_its_successor_comes_in(roster):
    session = roster.greet(hello(), "", b"1", 0.0)
    roster.block(session, "it sent rubbish")
    roster.lose(session, 1.0)
    with pytest.raises(Fault, match="it sent rubbish"):
        roster.greet(hello(token=session.token), "", b"2", 2.0)
    assert roster.greet(hello(incarnation=2), "", b"3", 3.0).index == session.index


@pytest.mark.parametrize(("changes", "reason"), [({"digest": "e"}, "profile"), ({"layout": "e"}, "layout")])
def test_another_profile_or_layout_is_refused(roster, changes, reason):
    with pytest.raises(Fault, match=reason) as refusal:
        roster.greet(hello(**changes), "", b"1", 0.0)
    assert refusal.value.code == 76


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"worker": "v"}, "in the name of v"),
        ({"version": 4}, "policy version 4, 3 is the newest"),
        ({"steps": 2}, "2 steps of 2 environments"),
        ({"environments": 1}, "1 steps of 1 environments"),
        ({"report": {"reward": float("nan")}}, "not finite"),
    ],
)
def test_a_header_that_does_not_fit_is_refused_and_not_counted(roster, changes, reason):
    session = roster.greet(hello(), "", b"1", 0.0)
    with pytest.raises(Fault, match=reason):
        take(roster, session, newest=3, sequence=1, **changes)
    assert (session.received, session.segments) == (0, 0)

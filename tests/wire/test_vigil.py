import pytest

from dexctl.profile.schema import Wire
from dexctl.wire.layout import ArrayLayout, Layout
from dexctl.wire.messages import Fault, Hello
from dexctl.wire.roster import Session
from dexctl.wire.vigil import LOOKS, PAUSE_S, STALLED_S, WORDS, Round, Vigil

WIRE = Wire(credits=4, buffer_mib=64, heartbeat_s=1.0, timeout_s=10.0, orphan_timeout_s=60.0)
LAYOUT = Layout(1, 2, (ArrayLayout("x", "float32", ("T", "N")),))


@pytest.fixture
def vigil():
    return Vigil(WIRE, LAYOUT, may_wait=False)


@pytest.fixture
def session():
    hello = Hello(worker="w", incarnation=1, token=b"", digest="", layout="", host="h", pid=1, memory="", sequence=0)
    return Session(hello, "", 0, b"", 0)


def heard_all_along(vigil, session, seconds, holds_credit, pause_s=0.0):
    """What is said last when it lives all the time, looked at every second."""
    told = ""
    for now_s in range(int(seconds) + 1):
        session.heard_s = float(now_s)
        told = vigil.look(session, holds_credit, float(now_s), pause_s)
    return told


def test_who_says_nothing_is_given_up(vigil, session):
    assert vigil.look(session, False, 9.0, 0.0) == ""
    assert vigil.look(session, False, 10.5, 0.0) == "silent for 10.5 s"


def test_the_optimizers_own_pause_is_nobodys_silence(vigil, session):
    assert vigil.look(session, True, 5000.0, 4995.0) == ""


def test_who_lives_and_keeps_a_credit_for_ever_is_given_up(vigil, session):
    assert heard_all_along(vigil, session, STALLED_S, True) == ""
    assert "no segment in 601 s" in heard_all_along(vigil, session, STALLED_S + 1, True)


def test_who_waits_for_a_credit_is_not_given_up_nor_is_it_for_that_time(vigil, session):
    assert heard_all_along(vigil, session, 3 * STALLED_S, False) == ""
    session.heard_s = 3 * STALLED_S + 9
    assert vigil.look(session, True, 3 * STALLED_S + 9, 0.0) == ""


def test_a_synchronous_worker_may_wait_for_the_others(session):
    assert heard_all_along(Vigil(WIRE, LAYOUT, may_wait=True), session, 3 * STALLED_S, True) == ""


def test_a_flood_of_heartbeats_is_a_fault_and_a_few_are_none(vigil, session):
    for _ in range(100):
        vigil.count(session)
        vigil.look(session, True, 1.0, 0.0)
    session.words = 2 * WORDS
    with pytest.raises(Fault, match="heartbeats at once"):
        vigil.count(session)


def test_a_small_crowd_is_seen_whole_at_every_look():
    crowd, turn = list(range(LOOKS)), Round()
    for gone in range(3):
        assert turn.next(lambda: crowd, 0.0) == list(range(gone, LOOKS))
        del crowd[0]


def test_everybody_in_a_large_crowd_has_a_turn_and_all_have_one_after_a_pause():
    crowd, turn = list(range(3 * LOOKS - 1)), Round()
    seen = [turn.next(lambda: crowd, PAUSE_S / 2) for _ in range(4)]
    assert [len(some) for some in seen] == [LOOKS, LOOKS, LOOKS - 1, LOOKS]
    assert [one for some in seen[:3] for one in some] == crowd
    assert turn.next(lambda: crowd, 2 * PAUSE_S) == crowd
    assert turn.next(lambda: crowd, 0.0) == crowd[:LOOKS]

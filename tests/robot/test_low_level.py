import numpy as np
import pytest

from dexctl.errors import SafetyStop
from dexctl.robot.low_level import LowLevel

from .conftest import make_body

CHANGE = np.full(20, 0.01)


def turns(low_level, seconds):
    for _ in range(round(seconds / 0.008)):
        low_level.turn()


def test_it_takes_no_command_before_it_is_armed(low_level):
    assert low_level.mode == "idle"
    with pytest.raises(SafetyStop, match="it is idle"):
        low_level.act(CHANGE, 0.0)


def test_a_command_moves_towards_where_the_motors_are_plus_the_change(low_level, same):
    low_level.arm()
    before = np.zeros(20)
    sent = low_level.act(CHANGE, 0.0)
    assert sent.executed
    low = np.array([actuator.control_range_rad[0] for actuator in same.hand.actuators.values()])
    assert sent.target_rad.shape == low.shape
    assert np.allclose(sent.target_rad - sent.change_rad, before, atol=1e-9)


def test_a_change_beyond_the_range_is_clipped_and_what_was_sent_is_told(low_level):
    low_level.arm()
    sent = low_level.act(np.full(20, 100.0), 0.0)
    assert sent.clipped == 20
    assert np.isfinite(sent.target_rad).all()
    assert sent.target_rad.max() == pytest.approx(1.571)
    assert np.array_equal(low_level.act(np.full(20, 200.0), 0.0).target_rad, sent.target_rad)


def test_without_a_command_for_200_ms_it_holds_and_then_lets_go(low_level):
    low_level.arm()
    low_level.act(CHANGE, 0.0)
    turns(low_level, 0.2)
    assert low_level.mode == "moving"
    turns(low_level, 0.016)
    assert low_level.mode == "holding"
    with pytest.raises(SafetyStop, match="it is holding"):
        low_level.act(CHANGE, low_level.time_s)
    turns(low_level, 0.6)
    assert low_level.mode == "relaxed"
    low_level.arm()
    assert low_level.mode == "moving"


@pytest.mark.parametrize("profile", ["same", "twin"])
def test_turns_on_end_are_bit_for_bit_the_turns_one_by_one(profile, request):
    profile = request.getfixturevalue(profile)
    one_by_one, on_end = (LowLevel(make_body(profile, 3), profile.robot) for _ in range(2))
    per_s = round(1.0 / profile.robot.loop_period_s)
    modes = set()
    for part_s, acts in ((0.08, True), (0.08, True), (0.168, False), (0.096, False), (0.6, False), (0.104, False)):
        for low_level in (one_by_one, on_end):
            if acts:
                low_level.arm()
                low_level.act(np.linspace(-0.3, 0.3, 20), low_level.time_s)
        for _ in range(round(part_s * per_s)):
            one_by_one.turn()
        on_end.advance(round(part_s * per_s))
        first, second = one_by_one._body, on_end._body
        assert (one_by_one.mode, one_by_one.turns, first.steps) == (on_end.mode, on_end.turns, second.steps)
        assert np.array_equal(first.data.qpos, second.data.qpos)
        for back in range(second._asked):
            row = (first.steps - back) % first.rows
            assert np.array_equal(first.history.qpos[row], second.history.qpos[row])
            assert np.array_equal(first.history.sites[row], second.history.sites[row])
        modes.add(on_end.mode)
    assert modes == {"moving", "holding", "relaxed"}


def test_a_motor_that_was_let_go_pulls_with_nothing(same):
    body = make_body(same)
    low_level = LowLevel(body, same.robot)
    low_level.arm()
    low_level.act(np.full(20, 0.5), 0.0)
    turns(low_level, 0.1)
    assert np.abs(body.data.actuator_force).max() > 0.01
    low_level.stop()
    turns(low_level, 0.6)
    assert low_level.mode == "relaxed"
    assert np.abs(body.data.actuator_force).max() < 1e-12


def test_missed_turns_age_a_command(low_level):
    low_level.arm()
    low_level.act(CHANGE, 0.0)
    low_level.turn(passed=1000)
    assert low_level.mode == "holding"
    assert low_level.time_s == pytest.approx(8.0)


def test_a_command_that_answers_an_old_reading_is_not_executed(low_level):
    low_level.arm()
    for _ in range(5):
        turns(low_level, 0.08)
        low_level.act(CHANGE, low_level.time_s)
    kept = low_level.act(CHANGE, low_level.time_s).target_rad
    late = low_level.act(CHANGE * 5, low_level.time_s - 0.3)
    assert not late.executed
    assert np.array_equal(late.target_rad, kept)
    future = low_level.act(CHANGE * 5, low_level.time_s + 0.3)
    assert not future.executed


def test_stopping_leaves_motors_off_that_were_off(low_level):
    low_level.stop()
    assert low_level.mode == "idle"


def test_stopping_holds_at_once(low_level):
    low_level.arm()
    low_level.act(CHANGE, 0.0)
    low_level.stop()
    assert low_level.mode == "holding"

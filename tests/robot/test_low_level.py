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


def test_stopping_holds_at_once(low_level):
    low_level.arm()
    low_level.act(CHANGE, 0.0)
    low_level.stop()
    assert low_level.mode == "holding"

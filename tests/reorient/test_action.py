"""From bins to targets: equal steps, a moving average free of its start, targets within their range."""

import itertools

import msgspec
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dexctl.profile.load import load
from dexctl.reorient.action import MovingAverage, RelativeTargets, bin_values, num_actuators

ACTION = load("block", (), {}).profile.action
RANGES = torch.tensor([[-0.5, 0.1], [0.0, 3.14], [-1.0, 0.5]], dtype=torch.float64)

numbers = st.floats(-1.0, 1.0, allow_nan=False)


@pytest.mark.parametrize("bins", [2, 5, 11])
def test_bins_are_equal_steps_from_minus_one_to_one(bins):
    values = bin_values(torch.arange(bins), bins)
    torch.testing.assert_close(values, torch.linspace(-1.0, 1.0, bins, dtype=torch.float64), atol=1e-15, rtol=0.0)


def test_an_action_has_a_coordinate_for_each_motor():
    assert num_actuators(load("block", (), {}).profile) == 20


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=30), st.floats(0.0, 0.95))
def test_the_average_weighs_the_past_and_does_not_start_at_zero(actions, weight):
    average = MovingAverage(1, 2, weight)
    for action in actions:
        value = average.update(torch.tensor([action], dtype=torch.float64), slice(None))
    for column in range(2):
        # Written out: weights fall by a factor each step into the past, and are scaled to sum to one.
        weights = [weight**age for age in reversed(range(len(actions)))]
        expected = sum(w * action[column] for w, action in zip(weights, actions, strict=True)) / sum(weights)
        assert float(value[0, column]) == pytest.approx(expected, abs=1e-9)
    assert torch.equal(average.value, value)


def test_a_constant_action_is_its_own_average_from_the_first_step():
    average = MovingAverage(1, 1, 0.3)
    for _ in range(5):
        assert float(average.update(torch.tensor([[0.7]]), slice(None))) == pytest.approx(0.7)


def test_the_paper_s_average_gives_the_past_three_tenths():
    average = MovingAverage(1, 1, ACTION.average)
    first, second = (float(average.update(torch.tensor([[a]], dtype=torch.float64), slice(None))) for a in (1.0, 0.0))
    assert ACTION.average == 0.3
    assert (first, second) == (1.0, pytest.approx(0.3 * 0.7 / (1 - 0.3**2)))


def test_rows_average_by_themselves_and_forget_when_reset():
    average = MovingAverage(3, 1, 0.5)
    one = torch.ones(1, 1, dtype=torch.float64)
    average.update(one, torch.tensor([1]))
    average.update(-one, torch.tensor([1]))
    average.update(one, torch.tensor([2]))
    assert average.value[:, 0].tolist() == [0.0, pytest.approx(-1 / 3), 1.0]
    average.reset(torch.tensor([1]))
    assert average.value[:, 0].tolist() == [0.0, 0.0, 1.0]
    assert float(average.update(-one, torch.tensor([1]))) == -1.0


@given(st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=4), st.floats(0.1, 2.0))
def test_targets_move_by_a_share_of_half_the_range_and_stay_within_it(rows, fraction):
    action = torch.tensor(rows, dtype=torch.float64)
    length = RANGES[:, 0] + (RANGES[:, 1] - RANGES[:, 0]) * torch.rand(
        len(rows), 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    targets = RelativeTargets(RANGES, msgspec.structs.replace(ACTION, range_fraction=fraction))(action, length)
    for row, column in itertools.product(range(len(rows)), range(3)):
        low, high = RANGES[column].tolist()
        wanted = float(length[row, column]) + rows[row][column] * fraction * (high - low) / 2
        assert float(targets[row, column]) == pytest.approx(min(max(wanted, low), high), abs=1e-12)


def test_actions_beyond_one_are_cut_and_joints_beyond_their_range_are_called_back():
    targets = RelativeTargets(RANGES, msgspec.structs.replace(ACTION, range_fraction=0.1))
    length = RANGES.mean(dim=1)[None]
    far = torch.full((1, 3), 7.0, dtype=torch.float64)
    assert torch.equal(targets(far, length), targets(torch.ones_like(far), length))
    outside = (RANGES[:, 1] + 0.2)[None]
    assert torch.equal(targets(torch.zeros_like(far), outside)[0], RANGES[:, 1])


def test_a_held_motor_is_sent_to_its_angle_whatever_is_asked_and_no_other_is():
    action, length = (2 * torch.rand(2, 6, 3, generator=torch.Generator().manual_seed(2)).double() - 1).unbind()
    free, held = (
        RelativeTargets(RANGES, msgspec.structs.replace(ACTION, hold=hold), ("a", "b", "c"))
        for hold in ({}, {"b": 0.4})
    )
    assert torch.equal(held(action, length)[:, 1], torch.full((6,), 0.4, dtype=torch.float64))
    torch.testing.assert_close(held.change(action, length)[:, 1], 0.4 - length[:, 1])
    others = [0, 2]
    assert torch.equal(held(action, length)[:, others], free(action, length)[:, others])
    assert torch.equal(held.change(action, length)[:, others], free.change(action, length)[:, others])

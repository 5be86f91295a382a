"""Intervals and paired tests, against what is known of them."""

import math

import numpy as np
import pytest

from dexctl.evaluate.comparison import Difference, decide, difference, interval


def test_the_interval_is_that_of_the_mean_and_repeats():
    values = np.random.default_rng(5).normal(10.0, 2.0, 200).tolist()
    low, high = interval(values)
    half = 1.96 * np.std(values) / math.sqrt(200)
    assert (low, high) == pytest.approx((np.mean(values) - half, np.mean(values) + half), abs=0.1 * half)
    assert interval(values) == (low, high)


def test_equal_values_leave_no_doubt_and_one_value_says_nothing():
    assert interval([3, 3, 3]) == (3, 3)
    assert interval([3]) is None
    assert difference([3], [2]) is None


def test_intervals_cover_the_mean_about_as_often_as_they_say():
    draws = np.random.default_rng(7).exponential(1.0, (200, 60))
    covered = sum(low <= 1.0 <= high for low, high in map(interval, draws.tolist()))
    # A percentile interval of sixty skewed numbers covers a little less than 95%.
    assert 176 <= covered <= 198


def test_a_difference_is_taken_trial_by_trial_where_both_have_a_score():
    apart = difference([5, None, 7, 9], [4, 3, None, 5])
    assert (apart.mean, apart.trials) == (2.5, 2)


def test_pairing_sees_what_the_spread_between_trials_hides():
    rng = np.random.default_rng(3)
    base = rng.normal(20.0, 15.0, 40)
    apart = difference((base + rng.normal(1.0, 0.5, 40)).tolist(), base.tolist())
    assert apart.p < 0.001
    assert 0.7 < apart.interval[0] < apart.mean < apart.interval[1] < 1.3


def test_sign_flips_give_the_exact_chance_of_few_pairs():
    # All five differences of one sign: two of the 32 ways to flip them are as far from zero.
    assert difference([2, 3, 4, 5, 6], [1, 1, 1, 1, 1]).p == pytest.approx(2 / 32, abs=0.01)


def test_chance_alone_is_called_a_difference_once_in_twenty():
    rng = np.random.default_rng(11)
    small = [difference(rng.normal(size=30).tolist(), rng.normal(size=30).tolist()).p < 0.05 for _ in range(200)]
    assert 2 <= sum(small) <= 20


def test_no_difference_at_all_is_undecided():
    apart = difference([0, 0, 0], [0, 0, 0])
    assert (apart.mean, apart.p) == (0, 1)
    assert decide([apart])[0].verdict == "undecided"


def of(p, mean=1.0):
    return Difference(mean, (0.0, 2.0), p, 10)


@pytest.mark.parametrize(
    ("chances", "verdicts"),
    [
        ([0.04], ["more"]),
        ([0.04, 0.03], ["undecided", "undecided"]),
        ([0.04, 0.02], ["more", "more"]),
        # The smallest must pass three tests; the next, two; the one that fails ends it.
        ([0.04, 0.001, 0.03], ["undecided", "more", "undecided"]),
        ([], []),
    ],
)
def test_several_comparisons_are_decided_as_one_family(chances, verdicts):
    assert [one.verdict for one in decide([of(p) for p in chances])] == verdicts


def test_the_verdict_says_which_way():
    assert [one.verdict for one in decide([of(0.001, -1.0), of(0.001)])] == ["fewer", "more"]

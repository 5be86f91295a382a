"""The paper's results: read, consistent in themselves, and found for a task."""

import statistics

import pytest

from dexctl.errors import UsageError
from dexctl.evaluate.paper import fitting_row, goals_row, results
from dexctl.profile.layers import shipped_files
from dexctl.profile.load import load

LISTED = {name: row for name, row in results().goals.items() if row.trials}


def test_the_file_is_no_profile():
    assert not [name for name in shipped_files() if "paper-results" in name]


def test_every_row_on_the_robot_lists_its_ten_trials_and_no_row_in_simulation_does():
    assert {name: len(row.trials) for name, row in LISTED.items()} == {
        name: 10 for name, row in results().goals.items() if row.place == "robot"
    }


@pytest.mark.parametrize("name", LISTED)
def test_mean_spread_and_median_are_those_of_the_listed_trials(name):
    row = LISTED[name]
    assert list(row.trials) == sorted(row.trials, reverse=True)
    assert statistics.mean(row.trials) == pytest.approx(row.mean, abs=0.051)
    assert statistics.median(row.trials) == row.median
    # One row's is printed 0.06 off what its trials give.
    assert statistics.stdev(row.trials) == pytest.approx(row.std, abs=0.07)


@pytest.mark.parametrize(
    ("profile", "row"),
    [
        ("block", "block"),
        ("block-paper", "block"),
        ("ablation/none", "block"),
        ("block-locked-wrist", "locked-wrist"),
        ("prism", "prism"),
        ("block-yaw", None),
        ("sphere", None),
    ],
)
def test_a_task_of_the_paper_finds_its_row(profile, row):
    assert fitting_row(load(profile, [], {}).profile) == row


def test_an_unknown_row_is_told_with_the_nearest():
    assert goals_row("prism").mean == 29.0
    with pytest.raises(UsageError, match="prism-robot"):
        goals_row("prism-robt")

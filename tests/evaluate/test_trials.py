"""Trials: each is its own whatever runs beside it, and they are scored as the paper scores them."""

import statistics

import pytest
import torch

from dexctl.evaluate.trials import Trial, run_trials, score
from dexctl.policy.actor import Actor
from dexctl.policy.choosing import PolicyChooser, RandomChooser

TRIALS, SEED = 9, 5


def chooser(profile):
    """A policy that acts as training left it: not at all yet, but by what it sees and remembers."""
    actor = Actor(profile, 20, seed=3)
    with torch.no_grad():
        actor.head.weight.mul_(100.0)
    return lambda rows: PolicyChooser(actor, tuple(profile.policy.actor.observe), rows, greedy=False)


@pytest.fixture(scope="module")
def alone():
    """The first trials of each case; all later ones must equal them."""
    return {}


@pytest.mark.parametrize(("batch", "threads"), [(1, 1), (4, 2), (7, 1), (100, 2)])
@pytest.mark.parametrize("case", ["lstm", "feedforward", "randomized"])
def test_a_trial_is_the_same_in_any_batch_on_any_threads(toy, alone, case, batch, threads):
    name = "ablation/all" if case == "randomized" else "block-small-lstm"
    kind = "feedforward" if case == "feedforward" else "lstm"
    profile = toy(kind, f"evaluate.batch={batch}", f"physics.threads={threads}", name=name)
    trials = run_trials(profile, chooser(profile), TRIALS, SEED)
    assert [trial.index for trial in trials] == list(range(TRIALS))
    assert trials == alone.setdefault(case, trials)
    assert len({trial.end for trial in trials}) > 1
    assert len({trial.goals for trial in trials}) > 1


def test_a_trial_depends_on_the_seed_and_its_number_alone(toy):
    profile = toy("lstm", "evaluate.batch=4")
    many, few = (run_trials(profile, chooser(profile), count, SEED) for count in (6, 3))
    assert many[:3] == few
    assert run_trials(profile, chooser(profile), 3, SEED + 1) != few


def test_trials_count_goals_until_the_first_end(toy):
    profile = toy("lstm", "evaluate.batch=5")
    seen = []
    trials = run_trials(profile, chooser(profile), TRIALS, SEED, seen.append)
    assert sorted(seen, key=lambda trial: trial.index) == trials
    for trial in trials:
        assert len(trial.goal_seconds) == trial.goals <= 3
        assert (trial.end == "full") == (trial.goals == 3)
        assert all(0.08 <= seconds <= 1.6 + 1e-9 for seconds in trial.goal_seconds)
        # After the last goal comes what ended it: a drop, or time that ran out.
        rest = trial.seconds - sum(trial.goal_seconds)
        assert rest == pytest.approx({"full": 0.0, "timeout": 1.6}.get(trial.end, rest), abs=1e-6)
        assert -1e-9 <= rest <= 1.6 + 1e-9


def test_stopping_leaves_the_trials_that_have_ended(toy):
    profile = toy("lstm", "evaluate.batch=3")
    seen = []
    some = run_trials(profile, chooser(profile), TRIALS, SEED, seen.append, lambda: len(seen) >= 4)
    assert 4 <= len(some) < TRIALS
    assert {trial.index for trial in some} == {trial.index for trial in seen}


def test_a_baseline_sees_nothing_and_is_scored_alike(toy):
    profile = toy("lstm", "evaluate.batch=4")
    trials = [run_trials(profile, lambda rows: RandomChooser(11), 4, SEED) for _ in range(2)]
    assert trials[0] == trials[1]
    assert score("random", trials[0])["name"] == "random"


def trial(goals, end, seconds=()):
    return Trial(index=0, goals=goals, end=end, seconds=1.0, goal_seconds=seconds)


def test_the_score_is_the_paper_s_row():
    # The robot's ten trials of Table 3, row "block, state": 18.8 +- 17.1, median 13.
    goals = [50, 41, 29, 27, 14, 12, 6, 4, 4, 1]
    row = score("p", [trial(count, "full" if count == 50 else "drop") for count in reversed(goals)])
    assert (round(row["mean"], 1), round(row["std"], 1), row["median"]) == (18.8, 17.1, 13)
    assert row["trials"] == goals
    assert row["ends"] == {"drop": 9, "timeout": 0, "full": 1, "error": 0}
    assert row["time_per_goal_s"] is None


def test_times_are_averaged_over_goals_not_over_trials():
    row = score("p", [trial(3, "drop", (1.0, 2.0, 3.0)), trial(1, "timeout", (10.0,))])
    assert row["time_per_goal_s"] == statistics.fmean([1.0, 2.0, 3.0, 10.0])


def test_a_trial_whose_simulation_broke_is_in_no_mean():
    row = score("p", [trial(4, "drop"), trial(0, "error"), trial(6, "timeout")])
    assert (row["mean"], row["trials"]) == (5, [6, 4])
    assert row["ends"] == {"drop": 1, "timeout": 1, "full": 0, "error": 1}


def test_too_few_trials_have_no_spread():
    assert score("p", [trial(4, "drop")])["std"] is None
    none = score("p", [trial(0, "error")])
    assert (none["mean"], none["median"], none["trials"]) == (None, None, [])

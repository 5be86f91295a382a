"""The page of a report: which trials and moments it shows, and that it needs nothing beside it."""

import itertools
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from dexctl.evaluate.film_strip import Frame, chosen_moments, chosen_trials
from dexctl.evaluate.paper import goals_row
from dexctl.evaluate.report import Page, Shown, write_page
from dexctl.evaluate.sorted_plot import sorted_svg
from dexctl.evaluate.tracks import Track, Tracks
from dexctl.evaluate.trials import Trial, play_trials, score
from dexctl.policy.choosing import RandomChooser


def trials(*goals, ends=None):
    ends = ends or ["drop"] * len(goals)
    return [Trial(index, count, end, 1.0, ()) for index, (count, end) in enumerate(zip(goals, ends, strict=True))]


def test_best_median_and_worst_are_shown_once_each():
    chosen = chosen_trials(trials(3, 9, 1, 5, 0))
    assert {which: trial.goals for which, trial in chosen.items()} == {"best": 9, "median": 3, "worst": 0}
    assert {which: trial.goals for which, trial in chosen_trials(trials(3, 9)).items()} == {"best": 9, "worst": 3}
    assert list(chosen_trials(trials(4))) == ["best"]
    assert chosen_trials(trials(4, ends=["error"])) == {}


def track(goals):
    count = len(goals)
    return Track(np.zeros((count, 38)), np.zeros((count, 4)), np.zeros(count), np.array(goals))


@pytest.mark.parametrize(
    ("goals", "moments"),
    [
        ([0], [0]),
        ([0, 1, 2], [0, 1, 2]),
        # Two goals among a hundred steps: both, the ends, and four moments between.
        ([0] * 40 + [1] * 30 + [2] * 31, [0, 20, 40, 60, 70, 80, 100]),
    ],
)
def test_a_strip_shows_the_goals_as_they_are_reached(goals, moments):
    assert chosen_moments(track(goals)) == moments


def test_a_long_strip_is_thinned_evenly():
    moments = chosen_moments(track(list(range(50))))
    assert (len(moments), moments[0], moments[-1]) == (8, 0, 49)
    assert all(6 <= b - a <= 8 for a, b in itertools.pairwise(moments))


def test_tracks_follow_every_trial_from_its_first_state_to_its_last(toy):
    profile, tracks = toy("lstm", "evaluate.batch=2"), Tracks()
    ended = [trial for some in play_trials(profile, lambda rows: RandomChooser(11), 5, 3, tracks) for trial in some]
    assert len(ended) == 5
    for trial in ended:
        seen = tracks.track(trial.index)
        assert len(seen.qpos_TQ) == round(trial.seconds / 0.08) + 1
        assert (seen.goals[0], seen.goals[-1]) == (0, trial.goals)
        assert len(torch.unique(torch.from_numpy(seen.qpos_TQ), dim=0)) == len(seen.qpos_TQ)


@pytest.fixture
def page():
    names = ["runs/<mine>", "random"]
    scores = [score(name, trials(*goals)) for name, goals in zip(names, ((9, 4, 2), (0, 1, 0)), strict=True)]
    scores[1]["less_first"] = {"mean": -4.7, "interval": (-8.0, -2.0), "p": 0.03, "verdict": "fewer", "trials": 3}
    row = goals_row("prism-robot")
    frame = Frame(np.zeros((6, 8, 3), np.uint8), 12.3, 4)
    return write_page(
        Page(
            title="2 policies compared",
            lead="Goals in a row, 80 s for one, of <seed> 7.",
            names=names,
            scores=scores,
            paper=[{name: getattr(row, name) for name in row.__struct_fields__}],
            sorted_svg=sorted_svg(list(zip(names, scores, strict=True)), [row]),
            curves_svg="",
            trials={names[0]: [Shown(title="The best", strip=[frame] * 8, film=b"film")]},
            timing={
                "runs/<mine>": {
                    "steps": 900,
                    "late": 3,
                    "worst_late_ms": 66.1,
                    "step_median_ms": 2.53,
                    "step_p99_ms": 4.8,
                }
            },
            command="dexctl evaluate",
        )
    )


def test_the_page_needs_nothing_beside_it(page):
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert sources
    assert all(source.startswith(("data:", "#")) for source in sources)
    assert "@import" not in page
    assert "<script" not in page


def test_the_page_says_what_was_measured(page):
    for words in (
        "95% interval",
        "80 s for one",
        "of &lt;seed&gt; 7",
        "66.1",
        "2.5",
        "-4.70",
        "fewer",
        "7.80",
        "0:12.3",
    ):
        assert words in page


def test_names_cannot_become_markup(page):
    assert "runs/&lt;mine&gt;" in page
    assert "<mine>" not in page


def test_every_element_is_closed(page):
    class Checker(HTMLParser):
        open: list

        def handle_starttag(self, tag, attrs):
            if tag not in ("meta", "img", "input"):
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

    checker = Checker()
    checker.open = []
    checker.feed(page)
    assert checker.open == []

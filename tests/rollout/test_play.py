"""A policy at play, and what people get to see of it."""

import itertools

import numpy as np
import pytest

from dexctl.evaluate.trials import run_trials
from dexctl.policy.opening import OpenPolicy, open_policy
from dexctl.profile.load import load
from dexctl.rollout.play import Moment, play
from dexctl.rollout.screening import Film, Live
from dexctl.scene.overlay import Caption
from dexctl.scene.stage import Stage

# Goals that anything reaches, and episodes that end soon.
EASY = (
    "task.success_rad=1.5",
    "task.redraw_reached=false",
    "evaluate.goals=2",
    "evaluate.goal_timeout_s=1.0",
    "evaluate.batch=2",
)
CAPTION = Caption(goals=1, goals_wanted=50, time_s=0.4, angle_rad=1.0)


@pytest.fixture(scope="module")
def policy():
    return open_policy("random", load("block-yaw", EASY).profile)


@pytest.fixture(scope="module")
def moments(policy):
    return list(play(policy, seed=5, seconds=6.0))


def episodes(moments):
    return [moment.ended for moment in moments if moment.ended]


def test_a_play_lasts_as_long_as_it_was_asked_to(moments):
    still = [moment for moment in moments if moment.caption.note and not moment.ended]
    assert sum(moment.seconds for moment in moments) - sum(one.seconds for one in still) == pytest.approx(6.0)


def test_moments_follow_each_other_without_a_jump_inside_an_episode(moments):
    for one, following in itertools.pairwise(moments):
        if not one.caption.note:
            np.testing.assert_array_equal(one.after, following.before)


def test_an_ended_episode_stays_in_view_a_while(moments):
    first = next(index for index, moment in enumerate(moments) if moment.ended)
    held = list(itertools.takewhile(lambda moment: moment.caption.note, moments[first + 1 :]))
    assert sum(moment.seconds for moment in held) == pytest.approx(0.8)
    for moment in held:
        np.testing.assert_array_equal(moment.after, moments[first].after)


def test_the_goal_on_show_is_the_one_that_was_asked_for(moments):
    """The angle in a caption is that of the goal beside it, in the moment a goal is reached too."""
    reached = 0
    for moment in moments:
        now, goal = moment.after[-4:], moment.goal_wxyz
        angle = 2 * np.arccos(np.clip(abs(now @ goal) / np.linalg.norm(now), 0, 1))
        assert angle == pytest.approx(moment.caption.angle_rad, abs=1e-6)
        reached += moment.caption.angle_rad < 1.5
    assert reached


def test_episodes_are_the_trials_of_an_evaluation_with_the_same_seed(policy, moments):
    played = episodes(moments)
    assert len(played) >= 3
    trials = run_trials(policy.profile, policy.chooser, len(played), seed=5)
    for episode, trial in zip(played, trials, strict=True):
        assert (episode.index, episode.goals, episode.end) == (trial.index, trial.goals, trial.end)
        assert episode.seconds == pytest.approx(trial.seconds)
        assert episode.goal_seconds == pytest.approx(trial.goal_seconds)


@pytest.fixture(scope="module")
def stage(policy: OpenPolicy):
    return Stage(policy.profile)


def still(stage, seconds):
    qpos = stage.data.qpos.copy()
    return Moment(qpos, qpos, np.array([1.0, 0, 0, 0]), seconds, CAPTION)


def test_a_film_has_twenty_five_frames_a_second_whatever_the_control_period(stage, tmp_path, monkeypatch):
    added = []
    monkeypatch.setattr("dexctl.rollout.screening.VideoWriter.add", lambda _self, picture: added.append(picture.shape))
    with Film(stage, tmp_path / "film.mp4") as film:
        for _ in range(10):
            film.add(still(stage, 0.03))
    assert added == [(600, 960, 3)] * 7


class Audience:
    """Somebody who looks, and leaves after so many pictures; keeps a clock of its own."""

    def __init__(self, leaves_after=10**9, drawing_s=0.0):
        self.now, self.seen, self.slept = 100.0, [], []
        self._leaves_after, self._drawing_s = leaves_after, drawing_s

    def show(self, caption):
        self.now += self._drawing_s
        self.seen.append(caption)
        return len(self.seen) < self._leaves_after

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def test_a_live_view_runs_at_the_speed_of_life(stage):
    audience = Audience(drawing_s=0.01)
    live = Live(stage, audience, audience.clock, audience.sleep)
    for _ in range(25):
        assert live.show(still(stage, 0.08))
    assert audience.now == pytest.approx(100.0 + 2.0)
    assert audience.seen[0] == "1 goal in a row   0.4 s   57 deg to go"


def test_a_slow_live_view_does_not_race_to_catch_up(stage):
    audience = Audience(drawing_s=0.5)
    live = Live(stage, audience, audience.clock, audience.sleep)
    for _ in range(10):
        live.show(still(stage, 0.08))
    audience._drawing_s, before = 0.0, audience.now
    for _ in range(25):
        live.show(still(stage, 0.08))
    assert audience.now - before > 2.0 - 0.6


def test_a_live_view_ends_when_nobody_looks(stage):
    audience = Audience(leaves_after=3)
    live = Live(stage, audience, audience.clock, audience.sleep)
    assert live.show(still(stage, 0.08))
    assert not live.show(still(stage, 0.08))
    assert len(audience.seen) == 3

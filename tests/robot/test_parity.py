"""The same policy in ``evaluate`` and over the wire, on a robot without a gap: equal steps, not only equal scores."""

import msgspec
import numpy as np
import pytest
import torch

from dexctl.evaluate.tracks import Tracks
from dexctl.evaluate.trials import play_trials
from dexctl.policy.actor import Actor
from dexctl.policy.choosing import PolicyChooser
from dexctl.policy.opening import open_policy
from dexctl.profile.load import load
from dexctl.reorient.action import num_actuators
from dexctl.robot.control import Controller
from dexctl.robot.placing import Placing
from dexctl.robot.remote import RemoteRobot
from dexctl.robot.safety import Guard
from dexctl.robot.trial import Trial, random_goals

from .conftest import ANSWER_S, serve

TRIALS, SEED = 3, 0


class Noting:
    """A policy's memory for some rows, and what it chose for each."""

    def __init__(self, chooser, rows):
        self.observe = chooser.observe
        self.reset = chooser.reset
        self.chosen = [[] for _ in range(rows)]
        self._chooser = chooser

    def choose(self, observations, uniform, ids):
        bins = self._chooser.choose(observations, uniform, ids)
        for row, one in zip(ids.tolist(), bins.tolist(), strict=True):
            self.chosen[row].append(one)
        return bins


def feed_forward():
    """The shipped policy on its own task, with few goals and little time for each."""
    policy = open_policy("block-yaw", None)
    evaluate = msgspec.structs.replace(policy.profile.evaluate, goals=3, goal_timeout_s=2.4)
    return msgspec.structs.replace(policy.profile, evaluate=evaluate), policy.chooser


def recurrent():
    """An LSTM that has learned nothing, but whose actions hang on what it remembers; goals are near and wide."""
    profile = load(
        "block-small-lstm",
        [
            *("policy.actor.hidden=[32]", "policy.actor.lstm=16", "task.success_rad=2.6", "task.start_random_steps=10"),
            *("evaluate.goals=3", "evaluate.goal_timeout_s=2.4"),
        ],
        {},
    ).profile
    actor = Actor(profile, num_actuators(profile), seed=2)
    with torch.no_grad():
        actor.head.weight.mul_(500.0)
    observe = tuple(profile.policy.actor.observe)
    return profile, lambda rows: PolicyChooser(actor, observe, rows, False)


@pytest.mark.parametrize("make", [feed_forward, recurrent])
def test_over_the_protocol_and_in_process_are_the_same_step_for_step(make, same):
    profile, chooser = make()
    profile = msgspec.structs.replace(profile, evaluate=msgspec.structs.replace(profile.evaluate, batch=TRIALS))
    noting, tracks = [], Tracks()

    def noted(rows):
        noting.append(Noting(chooser(rows), rows))
        return noting[-1]

    expected = sorted(
        (one for ended in play_trials(profile, noted, TRIALS, SEED, tracks) for one in ended),
        key=lambda one: one.index,
    )
    steps = [[] for _ in range(TRIALS)]
    with serve(same) as served, RemoteRobot(served.endpoint, ANSWER_S) as robot:
        control_range = torch.tensor(robot.features.control_range_rad, dtype=torch.float64)
        trial = Trial(profile, chooser(1), control_range, random_goals(profile), profile.evaluate.goals)
        guard = Guard(same.robot.safety, robot.features)
        controller = Controller(
            robot, trial, guard, SEED, Placing(profile), on_step=lambda step: steps[step.trial].append(step)
        )
        robot.connect()
        outcomes = list(controller.run(TRIALS, armed=True))
    scene = served.server.body.scene
    at = scene.object_qpos
    for index, taken in enumerate(steps):
        track = tracks.track(index)
        before = track.qpos_TQ[:-1]
        # Not close but equal, to the bit: robot and environment make the same calls of the same physics.
        assert [one.choice.bins[0].tolist() for one in taken] == noting[0].chosen[index]
        assert np.array_equal([one.reading.values["object_position"] for one in taken], before[:, at : at + 3])
        assert np.array_equal([one.reading.values["object_orientation"] for one in taken], before[:, at + 3 : at + 7])
        assert np.array_equal([one.reading.values["joint_angles"] for one in taken], before[:, scene.joint_qpos])
        assert np.array_equal([one.goal_wxyz for one in taken], track.goal_wxyz[:-1])
        assert np.array_equal(np.cumsum([one.judgement.reached for one in taken]), track.goals[1:])
    assert [(one.goals, one.end) for one in outcomes] == [(one.goals, one.end) for one in expected]
    assert [one.seconds for one in outcomes] == pytest.approx([one.seconds for one in expected])
    assert [one.goal_seconds for one in outcomes] == [pytest.approx(one.goal_seconds) for one in expected]
    assert controller.clocks.refused == 0
    assert sum(one.goals for one in outcomes) > 0

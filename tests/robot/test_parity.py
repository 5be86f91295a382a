import msgspec
import pytest
import torch

from dexctl.evaluate.trials import run_trials
from dexctl.policy.opening import open_policy
from dexctl.robot.control import Controller
from dexctl.robot.placing import Placing
from dexctl.robot.remote import RemoteRobot
from dexctl.robot.safety import Guard
from dexctl.robot.trial import Trial, random_goals

from .conftest import ANSWER_S, serve

TRIALS = 4


def shortened(profile):
    """The policy's own task, with few goals and little time for each."""
    evaluate = msgspec.structs.replace(profile.evaluate, goals=5, goal_timeout_s=4.0, batch=TRIALS)
    return msgspec.structs.replace(profile, evaluate=evaluate)


@pytest.mark.parametrize("name", ["block-yaw", "random"])
def test_over_the_protocol_and_in_process_are_the_same_step_for_step(name, same):
    profile = shortened(open_policy("block-yaw", None).profile)
    policy = open_policy(name, profile)
    seed = 4
    expected = run_trials(profile, policy.chooser, TRIALS, seed)
    steps = []
    with serve(same) as served, RemoteRobot(served.endpoint, ANSWER_S) as robot:
        control_range = torch.tensor(robot.features.control_range_rad, dtype=torch.float64)
        trial = Trial(profile, policy.chooser(1), control_range, random_goals(profile), profile.evaluate.goals)
        guard = Guard(same.robot.safety, robot.features)
        controller = Controller(robot, trial, guard, seed, Placing(profile), on_step=steps.append)
        robot.connect()
        outcomes = list(controller.run(TRIALS, armed=True))
    assert [(one.goals, one.end) for one in outcomes] == [(one.goals, one.end) for one in expected]
    assert [one.seconds for one in outcomes] == pytest.approx([one.seconds for one in expected])
    assert [one.goal_seconds for one in outcomes] == [pytest.approx(one.goal_seconds) for one in expected]
    assert len(steps) == round(sum(one.seconds for one in expected) / 0.08)
    assert controller.clocks.refused == 0
    assert sum(one.goals for one in outcomes) > (0 if name == "block-yaw" else -1)

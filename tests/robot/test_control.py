"""The control loop against a served robot: what it does when policy, estimator or robot are not what they should be."""

import msgspec
import numpy as np
import pytest
import torch

from dexctl.errors import DataError, SafetyStop
from dexctl.policy.choosing import ZeroChooser
from dexctl.robot.control import Controller
from dexctl.robot.safety import Guard
from dexctl.robot.trial import Trial, random_goals


class Breaks(ZeroChooser):
    """A policy that is well for some steps."""

    def __init__(self, steps, failure):
        super().__init__(11)
        self.left, self.failure = steps, failure

    def choose(self, observations, uniform, ids):
        self.left -= 1
        if self.left < 0:
            raise self.failure
        return super().choose(observations, uniform, ids)


class Estimator:
    """Sees the object where it is told that it is, at some age."""

    cameras, image_px = ("top",), 8

    def __init__(self, position_m):
        self.position_m = position_m

    def estimate(self, pictures):
        assert pictures.shape == (1, 1, 8, 8, 3)
        return np.array([self.position_m]), np.array([[1.0, 0.0, 0.0, 0.0]])


class Seen:
    """A robot that gives one black picture with each reading, older from step to step."""

    def __init__(self, robot, ages_s):
        self._robot, self._ages_s = robot, iter(ages_s)
        self.features = msgspec.structs.replace(robot.features, cameras=("top",), image_px=8)

    def __getattr__(self, name):
        return getattr(self._robot, name)

    def observe(self, images=False):
        assert images
        reading = self._robot.observe()
        picture = np.zeros((8, 8, 3), np.uint8)
        return type(reading)(reading.time_s, reading.mode, reading.values, {"top": picture}, next(self._ages_s))


def controller(robot, profile, chooser, **options):
    robot.connect()
    features = robot.features
    control_range = torch.tensor(features.control_range_rad, dtype=torch.float64)
    trial = Trial(profile, chooser, control_range, random_goals(profile), 50)
    return Controller(robot, trial, Guard(profile.robot.safety, features), 0, None, **options)


def outcome_and_stop(running):
    """What came of the only trial, and what ended it."""
    outcome = next(running)
    with pytest.raises(SafetyStop) as stop:
        next(running)
    return outcome, str(stop.value)


def test_a_policy_that_gives_nan_in_mid_trial_stops_the_robot_after_the_steps_before(same, served, robot):
    steps = []
    failure = DataError("the policy gives numbers that are not finite")
    running = controller(robot, same, Breaks(5, failure), on_step=steps.append).run(3, armed=True)
    outcome, why = outcome_and_stop(running)
    assert (outcome.end, len(steps)) == ("error", 5)
    assert "not finite" in why
    assert robot.observe().mode == "holding"
    assert ("stopped", {"reason": "the policy gives numbers that are not finite"}) in served.told


def test_an_exception_stops_the_robot_before_it_goes_on_its_way(same, served, robot):
    running = controller(robot, same, Breaks(2, RuntimeError("a bug"))).run(1, armed=True)
    with pytest.raises(RuntimeError, match="a bug"):
        next(running)
    assert robot.observe().mode == "holding"


def test_pictures_that_grow_old_are_an_object_out_of_sight(same, robot):
    limit_s = same.robot.safety.object_age_s
    seen = Seen(robot, [0.0, 0.5 * limit_s, 0.9 * limit_s, 1.1 * limit_s])
    place = np.array([1.03, 0.85, 0.24])
    steps = []
    running = controller(seen, same, ZeroChooser(11), estimator=Estimator(place), on_step=steps.append)
    outcome, why = outcome_and_stop(running.run(1, armed=True))
    assert (outcome.end, len(steps)) == ("error", 2)
    assert "the object was seen 1.10 s ago" in why
    assert np.array_equal(steps[0].told.values["object_position"], place)
    assert not np.array_equal(steps[0].reading.values["object_position"], place)
    assert robot.observe().mode == "holding"


def test_an_estimate_that_is_not_a_number_stops_the_robot(same, robot):
    seen = Seen(robot, [0.0] * 3)
    running = controller(seen, same, ZeroChooser(11), estimator=Estimator(np.full(3, np.nan))).run(1, armed=True)
    _, why = outcome_and_stop(running)
    assert "object_position is not finite" in why

"""The control loop against a served robot: what it does when policy, estimator or robot are not what they should be."""

import dataclasses
import re

import msgspec
import numpy as np
import pytest
import torch

from dexctl.errors import DataError, ProtocolError, SafetyStop, UnavailableError
from dexctl.policy.choosing import ZeroChooser
from dexctl.robot.awaiting import STEADY_S, await_object
from dexctl.robot.control import Controller
from dexctl.robot.remote import RemoteRobot
from dexctl.robot.safety import Guard
from dexctl.robot.trial import Trial, random_goals

from .conftest import ANSWER_S, serve


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
    outcome = next(running)
    assert (outcome.end, robot.observe().mode) == ("error", "holding")
    with pytest.raises(SafetyStop, match="RuntimeError: a bug") as stop:
        next(running)
    assert isinstance(stop.value.__cause__, RuntimeError)


def test_pictures_that_grow_old_are_an_object_out_of_sight(same, robot):
    limit_s = same.robot.safety.object_age_s
    seen = Seen(robot, [0.0, 0.5 * limit_s, 0.9 * limit_s, 1.1 * limit_s])
    place = np.array([1.03, 0.85, 0.24])
    steps = []
    running = controller(seen, same, ZeroChooser(11), estimator=Estimator(place), on_step=steps.append)
    outcome, why = outcome_and_stop(running.run(1, armed=True))
    # The command before the stop is in the record, as one whose end nobody saw.
    assert (outcome.end, [step.judgement.end.name for step in steps]) == ("error", ["RUNNING", "RUNNING", "ERROR"])
    assert steps[-1].sent.executed
    assert "the object was seen 1.10 s ago" in why
    assert np.array_equal(steps[0].told.values["object_position"], place)
    assert not np.array_equal(steps[0].reading.values["object_position"], place)
    assert robot.observe().mode == "holding"


def test_an_estimate_that_is_not_a_number_stops_the_robot(same, robot):
    seen = Seen(robot, [0.0] * 3)
    running = controller(seen, same, ZeroChooser(11), estimator=Estimator(np.full(3, np.nan))).run(1, armed=True)
    _, why = outcome_and_stop(running)
    assert "object_position is not finite" in why


class Blind:
    """A robot without motion capture of the object, and one black picture with each reading."""

    def __init__(self, robot):
        self._robot = robot
        senses = tuple(name for name in robot.features.senses if not name.startswith("object"))
        self.features = msgspec.structs.replace(robot.features, senses=senses, cameras=("top",), image_px=8)

    def __getattr__(self, name):
        return getattr(self._robot, name)

    def observe(self, images=False):
        reading = self._robot.observe()
        values = {name: value for name, value in reading.values.items() if name in self.features.senses}
        pictures = {"top": np.zeros((8, 8, 3), np.uint8)} if images else {}
        return dataclasses.replace(reading, values=values, images=pictures)


def test_an_object_that_cameras_alone_see_is_waited_for_and_held(same, robot):
    blind, waited = Blind(robot), []

    def wait(index, look):
        await_object(look, blind.wait_until, same.task, 10.0, lambda: False)
        waited.append(blind.observe().time_s)

    palm = np.array([*same.task.palm_center_m[:2], same.task.start_drop_height_m + 0.02])
    steps = []
    options = {"estimator": Estimator(palm), "await_object": wait, "on_step": steps.append}
    running = controller(blind, same, Breaks(3, DataError("enough")), **options)
    outcome_and_stop(running.run(1, armed=True))
    assert len(steps) == 3
    assert waited[0] >= STEADY_S
    assert np.array_equal(steps[0].told.values["object_position"], palm)


def test_nobody_who_places_the_object_is_told_in_time(same, robot):
    blind = Blind(robot)
    look = controller(blind, same, ZeroChooser(11), estimator=Estimator(np.zeros(3)))._glance
    with pytest.raises(UnavailableError, match="no object lay still in the hand for 1 s"):
        await_object(look, blind.wait_until, same.task, 1.0, lambda: False)


def test_a_signal_while_the_object_is_placed_arms_nothing(same, served, robot):
    asked = []

    def wait(index, look):
        asked.append(index)

    running = controller(robot, same, ZeroChooser(11), await_object=wait, stop=lambda: bool(asked))
    assert [(one.end, one.seconds) for one in running.run(3, armed=True)] == [("error", 0.0)]
    assert asked == [0]
    assert "armed" not in [kind for kind, _ in served.told]
    assert robot.observe().mode == "idle"


def test_a_rehearsal_leaves_the_motors_off(same, served, robot):
    assert len(list(controller(robot, same, ZeroChooser(11)).run(1, armed=False))) == 1
    assert robot.observe().mode == "idle"
    robot.disconnect()
    assert served.server._low.mode == "idle"


def test_a_robot_that_breaks_the_protocol_is_stopped_and_its_trial_told(same, robot):
    class Garbled(Blind):
        left = 3

        def observe(self, images=False):
            self.left -= 1
            if self.left < 0:
                raise ProtocolError("the robot sent a NaN", "Look at its sensors.")
            return self._robot.observe()

    steps = []
    outcome, why = outcome_and_stop(
        controller(Garbled(robot), same, ZeroChooser(11), on_step=steps.append).run(1, armed=True)
    )
    assert (outcome.end, len(steps)) == ("error", 3)
    assert "NaN" in why
    assert robot.observe().mode == "holding"


@pytest.mark.parametrize(
    ("sensors", "why"),
    [
        ({"joint_delay_s": (0.3, 0.3)}, "the joints were measured 0.30 s ago"),
        ({"object_loss_per_s": (1e6, 1e6), "object_loss_s": (9.0, 9.0)}, r"the object was seen 1\.0\d s ago"),
        ({"marker_loss_per_s": (1e6, 1e6), "marker_loss_s": (9.0, 9.0)}, r"a fingertip was seen 2\.0\d s ago"),
    ],
)
def test_what_a_served_robot_does_not_see_any_more_stops_it(same, sensors, why):
    changed = msgspec.structs.replace(same.robot, sensors=msgspec.structs.replace(same.robot.sensors, **sensors))
    with (
        serve(msgspec.structs.replace(same, robot=changed)) as served,
        RemoteRobot(served.endpoint, ANSWER_S) as robot,
    ):
        outcome, said = outcome_and_stop(controller(robot, same, ZeroChooser(11)).run(1, armed=True))
        assert outcome.end == "error"
        assert re.search(why, said), said
        assert robot.observe().mode == "holding"


def test_the_time_for_a_goal_is_the_robot_s_own_missed_periods_counted(same, robot):
    class Slow(Blind):
        def __init__(self, robot):
            self._robot, self.features = robot, robot.features

        def observe(self, images=False):
            return self._robot.observe()

        def wait_until(self, time_s):
            return self._robot.wait_until(time_s + 0.08)

    short = msgspec.structs.replace(same, evaluate=msgspec.structs.replace(same.evaluate, goal_timeout_s=0.8))
    steps = []
    (outcome,) = controller(Slow(robot), short, ZeroChooser(11), on_step=steps.append).run(1, armed=True)
    assert outcome.end == "timeout"
    assert outcome.seconds == pytest.approx(0.8, abs=0.09)
    assert len(steps) < 8

import dataclasses
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from drawn_hand import record

from dexctl.calibrate.fingers import fingers
from dexctl.calibrate.fitting import Task, fit, fitted_hand
from dexctl.calibrate.least_squares import least_squares
from dexctl.calibrate.parameters import GROUPS, numbers_of
from dexctl.calibrate.replay import Replay
from dexctl.calibrate.residuals import FingerError
from dexctl.calibrate.windows import cut

RING = fingers(("rf",))
KINDS = GROUPS["motors"]


def stronger(hand):
    """The hand with other motors on its ring finger, which nobody tells the fit."""
    actuators = {
        name: msgspec.structs.replace(one, gain=one.gain * 1.5, force_limit_nm=one.force_limit_nm * 0.7)
        if name.startswith("A_RF")
        else one
        for name, one in hand.actuators.items()
    }
    return msgspec.structs.replace(hand, actuators=actuators)


@pytest.fixture(scope="module")
def task(profile):
    motion = record(msgspec.structs.replace(profile, hand=stronger(profile.hand)), tuple(RING))
    windows = cut(motion, np.ones(motion.angles_rad.shape, bool), profile.calibrate, 0.08, RING)
    # Some windows are enough here.
    few = np.flatnonzero(windows.moving["rf"] & ~windows.held_out)[::2]
    moving = {"rf": np.isin(np.arange(len(windows.starts)), few)}
    windows = dataclasses.replace(windows, moving=moving)
    return Task(profile, profile.calibrate, motion, windows, "least-squares", KINDS, RING)


def go_on(told):
    return True


@pytest.fixture(scope="module")
def found(task):
    return fit(task, go_on)[0]


def test_least_squares_finds_the_motors_of_a_finger(task, found):
    true = stronger(task.profile.hand)
    assert found.converged
    for index, (kind, owner) in enumerate(found.parameters):
        if found.confidence.determined[index] and kind == "gain":
            assert found.values[index] == pytest.approx(true.actuators[owner].gain, rel=0.15)
    assert found.confidence.determined.sum() >= 4


def test_intervals_hold_the_value_and_lie_within_the_bounds(task, found):
    sure = found.confidence
    assert (sure.low <= found.values + 1e-9).all()
    assert (found.values - 1e-9 <= sure.high).all()
    assert (sure.deviation <= 1 + 1e-9).all()


def test_what_a_fit_was_not_asked_for_stays(task, found):
    before = numbers_of(task.profile.hand)
    after = fitted_hand(before, [found])
    assert np.array_equal(before.joints, after.joints)
    changed = (before.actuators != after.actuators).any(axis=(0, 2))
    assert set(np.flatnonzero(changed)) <= set(RING[0].actuators)


def test_a_sweep_of_coordinate_descent_makes_it_better(task):
    settings = msgspec.structs.replace(task.settings, sweeps=1)
    told = []
    task = dataclasses.replace(task, method="coordinate", settings=settings, begun={"rf": np.zeros(6)})
    found = fit(task, lambda one: told.append(one) or True)[0]
    part = task.parts[0]
    error = FingerError(Replay(task.profile, 64, "rf"), task.motion, task.windows, part, task.windows.of(part, False))
    before = np.sqrt(np.square(error(numbers_of(task.profile.hand))[0, :, -1]).mean())
    assert told[0].error_rad < 0.9 * before
    assert not found.converged


def test_a_fit_that_is_stopped_goes_on_from_where_it_was(task):
    told = []

    def stop_at_once(one):
        told.append(one)
        return False

    assert fit(task, stop_at_once) == []
    begun = {"rf": told[0].vector}
    again = []
    fit(dataclasses.replace(task, begun=begun), lambda one: again.append(one) or False)
    assert again[0].error_rad < told[0].error_rad


def test_a_finger_that_is_done_is_not_fitted_again(task, found):
    done = dataclasses.replace(task, begun={"rf": found.vector}, done={"rf": True})
    again = fit(done, lambda told: pytest.fail("it was fitted again"))[0]
    assert again.converged
    assert np.array_equal(again.values, found.values)


def test_a_finger_with_too_few_windows_is_told_and_stays_as_it_was(task):
    nothing = dataclasses.replace(task.windows, moving={"rf": np.zeros(len(task.windows.starts), bool)})
    found = fit(dataclasses.replace(task, windows=nothing), go_on)[0]
    assert (found.converged, found.confidence, found.windows) == (False, None, 0)
    assert np.array_equal(found.values, found.before)


class TwoValleys:
    """A problem of one number with a valley at 1, and a shallower one near -1 that no small step leads out of."""

    def __init__(self, settings):
        self.settings = settings
        self.layout = SimpleNamespace(low=np.array([-3.0]), high=np.array([3.0]))
        self.error = SimpleNamespace(usable=np.ones((1, 1), bool), num_steps=2)

    def errors(self, vectors):
        return np.stack((vectors**2 - 1.0, 0.3 * (vectors - 1.0)), axis=2).reshape(-1, 1, 2, 1)

    def mean_square_at_end(self, errors):
        return np.square(errors[:, :, -1]).sum(axis=(1, 2))

    def rms(self, vector):
        return np.full(1, 0.01)


@pytest.mark.parametrize(("beginnings", "end"), [([-1.2], -1.0), ([-1.2, 0.8], 1.0), ([0.8, -1.2], 1.0)])
def test_least_squares_goes_on_with_the_best_of_its_beginnings(profile, beginnings, end):
    problem = TwoValleys(profile.calibrate)
    vector, converged = least_squares(problem, [np.array([one]) for one in beginnings], lambda vector, error: True)
    assert converged
    assert vector[0] == pytest.approx(end, abs=0.1)


def test_a_joint_that_is_not_matched_begins_elsewhere_and_what_is_better_is_kept(profile):
    problem = TwoValleys(profile.calibrate)
    for elsewhere, end in ((0.8, 1.0), (-1.3, -1.0)):
        asked = []

        def begin(vector, joint, elsewhere=elsewhere, asked=asked):
            asked.append((vector[0], joint))
            return np.array([elsewhere])

        vector, converged = least_squares(problem, [np.array([-1.2])], lambda vector, error: True, begin)
        assert converged
        assert vector[0] == pytest.approx(end, abs=0.1)
        assert asked == [(pytest.approx(-1.0, abs=0.1), 0)]

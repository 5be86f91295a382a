import msgspec
import numpy as np
import pytest

from dexctl.errors import SafetyStop
from dexctl.robot.protocol import Reading
from dexctl.robot.safety import Guard

from .conftest import serve


@pytest.fixture(scope="module")
def features(same):
    with serve(same) as served:
        return served.server.features


@pytest.fixture
def guard(same, features):
    return Guard(msgspec.structs.replace(same.robot.safety, limit_hits=3), features)


def reading(features, mode="moving", **values):
    calm = {name: np.zeros(features.shape(name)) for name in features.senses}
    return Reading(0.0, mode, {**calm, **values})


def test_a_calm_reading_passes(guard, features):
    guard.check(reading(features))
    assert guard.hits == 0


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"object_age": np.full(1, 1.5)}, "the object was seen 1.50 s ago"),
        ({"joint_age": np.full(1, 0.5)}, "the joints were measured 0.50 s ago"),
        ({"joint_angles": np.full(24, np.nan)}, "joint_angles is not finite"),
    ],
)
def test_what_is_stale_lost_or_not_a_number_stops_the_robot(guard, features, values, reason):
    with pytest.raises(SafetyStop, match=reason):
        guard.check(reading(features, **values))


@pytest.mark.parametrize("mode", ["holding", "relaxed", "idle"])
def test_a_robot_that_stopped_by_itself_ends_the_trial_only_when_it_should_move(guard, features, mode):
    with pytest.raises(SafetyStop, match=mode):
        guard.check(reading(features, mode))
    guard.check(reading(features, mode), armed=False)


@pytest.mark.parametrize(
    ("values", "which"),
    [
        ({"joint_velocities": np.full(24, 100.0)}, "WRJ1 at 100.0 rad/s"),
        ({"joint_angles": np.full(24, 9.0)}, "WRJ1 at 9.00 rad"),
        ({"actuator_torques": np.full(20, 50.0)}, "N m"),
    ],
)
def test_limits_may_be_hit_so_often_and_no_oftener(guard, features, values, which):
    for _ in range(3):
        guard.check(reading(features, **values))
    with pytest.raises(SafetyStop, match=which):
        guard.check(reading(features, **values))
    guard.begin()
    guard.check(reading(features, **values))

import numpy as np
import pytest

from dexctl.calibrate.fingers import FINGERS, fingers
from dexctl.calibrate.parameters import ACTUATOR_KINDS, JOINT_KINDS, Layout, hand_with, numbers_of, write

KINDS = (*JOINT_KINDS, *ACTUATOR_KINDS)


@pytest.fixture
def layout(profile):
    return Layout(numbers_of(profile.hand), profile.calibrate, KINDS, fingers())


def test_the_parts_of_the_hand_share_out_its_joints_and_actuators():
    parts = fingers()
    assert [part.name for part in parts] == list(FINGERS)
    assert sorted(np.concatenate([part.joints for part in parts])) == list(range(24))
    assert sorted(np.concatenate([part.actuators for part in parts])) == list(range(20))


def test_a_fit_of_everything_moves_seven_numbers_a_joint_and_four_an_actuator(layout):
    assert len(layout) == 24 * 7 + 20 * 4


def test_zero_is_the_hand_itself(profile, layout):
    hand = numbers_of(profile.hand)
    found = layout.hands(np.zeros((1, len(layout))))
    assert np.array_equal(found.joints, hand.joints)
    assert np.array_equal(found.actuators, hand.actuators)


def test_a_hand_goes_through_its_numbers_and_back(profile):
    assert hand_with(profile.hand, numbers_of(profile.hand)) == profile.hand


def test_values_and_vectors_are_each_others_inverse(layout):
    vector = np.random.default_rng(0).uniform(0.2, 0.8, len(layout)) * (layout.high - layout.low) + layout.low
    assert layout.vector(layout.values(vector)) == pytest.approx(vector)


def test_bounds_hold_the_hand_and_are_the_profiles(profile, layout):
    assert (layout.low <= 0).all()
    assert (layout.high >= 0).all()
    gains = [index for index, one in enumerate(layout.parameters) if one.kind == "gain"]
    low, high = profile.calibrate.parameters["gain"].range
    start = layout.values(np.zeros(len(layout)))
    assert layout.values(layout.low)[gains] == pytest.approx(low * start[gains])
    assert layout.values(layout.high)[gains] == pytest.approx(high * start[gains])


def test_limits_never_cross(profile):
    layout = Layout(numbers_of(profile.hand), profile.calibrate, ("lower_limit", "upper_limit"), fingers())
    lower = np.array([one.kind == "lower_limit" for one in layout.parameters])
    found = layout.hands(np.where(lower, layout.high, layout.low)[None])
    ends = found.joints[0, :, [JOINT_KINDS.index("lower_limit"), JOINT_KINDS.index("upper_limit")]]
    assert (ends[0] < ends[1]).all()


def test_what_is_written_is_read_and_all_else_stays(profile, layout):
    hand = numbers_of(profile.hand)
    changed = write(hand, layout.parameters[:1], np.array([0.123]))
    difference = changed.joints != hand.joints
    assert difference.sum() == 1
    assert changed.joints[difference] == 0.123
    assert np.array_equal(changed.actuators, hand.actuators)


def test_a_vector_a_hair_below_its_bounds_is_still_a_hand(profile, layout):
    hand = hand_with(profile.hand, layout.hands(layout.low[None] - 1e-9))
    assert min(one.friction_loss for one in hand.joints.values()) == 0.0
    assert min(one.stiffness for one in hand.joints.values()) == 0.0


def test_limits_that_cross_are_written_apart(profile, layout):
    crossing = [one for one in layout.parameters if one.kind == "upper_limit"]
    changed = write(numbers_of(profile.hand), crossing, np.full(len(crossing), -9.0))
    ends = changed.joints[0, :, [JOINT_KINDS.index("lower_limit"), JOINT_KINDS.index("upper_limit")]]
    assert (ends[0] < ends[1]).all()

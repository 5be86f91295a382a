import numpy as np
import pytest
import torch

from dexctl import randomness, rotation
from dexctl.profile.load import load
from dexctl.vision.rendering.augmentation import Augmentation, augment

COUNT = 6000


@pytest.fixture(scope="module")
def augmented():
    pose = load("block-paper", [], {}).profile.randomize.pose
    key = randomness.derive(randomness.key(3).expand(COUNT), torch.arange(COUNT))
    position = torch.tensor([[1.0, 0.9, 0.2]]).double().expand(COUNT, 3)
    before = rotation.uniform(randomness.uniform(randomness.key(4), 3)).expand(COUNT, 4)
    return position, before, *augment(pose, key, position, before)


def test_a_fifth_stays_two_fifths_turn_and_two_fifths_jitter(augmented):
    share = np.bincount(augmented[-1], minlength=3) / COUNT
    np.testing.assert_allclose(share, [0.2, 0.4, 0.4], atol=0.02)


def test_what_stays_is_not_touched(augmented):
    position, before, after_position, after, kind = augmented
    same = kind == Augmentation.NONE
    torch.testing.assert_close(after_position[same], position[same])
    assert float(rotation.angle(rotation.difference(after, before))[same].max()) < 1e-6


def test_turns_are_the_24_of_a_cube_about_its_own_axes(augmented):
    position, before, after_position, after, kind = augmented
    turned = kind == Augmentation.TURNED
    torch.testing.assert_close(after_position[turned], position[turned])
    turn = rotation.multiply(rotation.conjugate(before), after)[turned]
    distance = rotation.angle(rotation.multiply(rotation.conjugate(turn[:, None]), rotation.cube_group()))
    nearest, which = distance.min(dim=1)
    assert float(nearest.max()) < 1e-6
    np.testing.assert_allclose(np.bincount(which, minlength=24) / int(turned.sum()), 1 / 24, atol=0.02)


def test_jitter_has_the_profiles_deviations(augmented):
    position, before, after_position, after, kind = augmented
    jittered = kind == Augmentation.JITTERED
    moved = (after_position - position)[jittered]
    assert float(moved.std()) == pytest.approx(0.01, rel=0.05)
    # The length of a vector of three normal coordinates is Maxwell's.
    angle = rotation.angle(rotation.difference(after, before))[jittered]
    assert float(angle.mean()) == pytest.approx(0.3 * np.sqrt(8 / np.pi), rel=0.05)


def test_every_pose_is_a_unit_quaternion_of_the_upper_half(augmented):
    after = augmented[3]
    torch.testing.assert_close(torch.linalg.vector_norm(after, dim=1), torch.ones(COUNT).double())
    assert float(after[:, 0].min()) >= 0


def test_switched_off_nothing_changes():
    pose = load("block", [], {}).profile.randomize.pose
    orientation = rotation.canonical(rotation.uniform(randomness.uniform(randomness.key(1), 3)))
    position = torch.ones(1, 3).double()
    after_position, after, kind = augment(pose, randomness.key(9), position, orientation)
    assert torch.equal(after_position, position)
    torch.testing.assert_close(after, orientation)
    assert kind.tolist() == [Augmentation.NONE]

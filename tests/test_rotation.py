"""Unit quaternions: the laws they keep, and MuJoCo's own functions as the second opinion."""

import math

import mujoco
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dexctl import randomness, rotation

# A KS test of this size and level misses a distribution function that is off by 0.03 less than once in
# a thousand times, and rejects a right one once in ten thousand.
SAMPLES, LEVEL = 20_000, 1e-4

numbers = st.floats(-1.0, 1.0, allow_nan=False)


@st.composite
def quaternions(draw):
    q = torch.tensor([draw(numbers) for _ in range(4)], dtype=torch.float64)
    return rotation.normalize(q if float(q.norm()) > 1e-3 else torch.tensor([0.0, 0.0, 1.0, 0.0], dtype=torch.float64))


@st.composite
def vectors(draw, scale=3.0):
    return scale * torch.tensor([draw(numbers) for _ in range(3)], dtype=torch.float64)


def close(a, b, atol=1e-12):
    torch.testing.assert_close(a, b, atol=atol, rtol=0.0)


def same_rotation(a, b, atol=1e-7):
    """Equal but for the sign, which no rotation shows."""
    assert min(float((a - b).norm()), float((a + b).norm())) < atol


@given(quaternions(), quaternions(), quaternions())
def test_rotations_are_a_group(a, b, c):
    one = torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    close(rotation.multiply(rotation.multiply(a, b), c), rotation.multiply(a, rotation.multiply(b, c)))
    close(rotation.multiply(a, one), a)
    close(rotation.multiply(one, a), a)
    close(rotation.multiply(a, rotation.conjugate(a)), one)
    close(rotation.multiply(a, b).norm(), torch.ones((), dtype=torch.float64))


@given(quaternions(), quaternions(), vectors())
def test_turning_by_a_product_is_turning_twice(a, b, v):
    close(rotation.rotate(rotation.multiply(a, b), v), rotation.rotate(a, rotation.rotate(b, v)), 1e-11)
    close(rotation.rotate(a, v).norm(), v.norm(), 1e-11)


@given(quaternions(), quaternions(), vectors())
def test_mujoco_multiplies_and_turns_alike(a, b, v):
    product, turned = np.empty(4), np.empty(3)
    mujoco.mju_mulQuat(product, a.numpy(), b.numpy())
    mujoco.mju_rotVecQuat(turned, v.numpy(), a.numpy())
    close(rotation.multiply(a, b), torch.from_numpy(product))
    close(rotation.rotate(a, v), torch.from_numpy(turned))


@given(quaternions(), vectors())
def test_a_quaternion_and_its_negative_are_one_rotation(q, v):
    close(rotation.rotate(q, v), rotation.rotate(-q, v))
    close(rotation.angle(q), rotation.angle(-q))
    assert float(rotation.canonical(q)[0]) >= 0.0
    same_rotation(rotation.canonical(q), q)
    same_rotation(rotation.canonical(-q), q)


@given(quaternions(), quaternions(), quaternions())
def test_the_angle_is_a_distance_that_no_turn_of_both_changes(a, b, c):
    def distance(x, y):
        return float(rotation.angle(rotation.difference(x, y)))

    assert 0.0 <= distance(a, b) <= math.pi + 1e-12
    assert distance(a, b) == pytest.approx(distance(b, a), abs=1e-9)
    assert distance(a, c) <= distance(a, b) + distance(b, c) + 1e-9
    moved = distance(rotation.multiply(c, a), rotation.multiply(c, b))
    assert moved == pytest.approx(distance(a, b), abs=1e-7)


@given(quaternions(), quaternions())
def test_the_difference_takes_one_to_the_other(goal, current):
    turn = rotation.difference(goal, current)
    assert float(turn[0]) >= 0.0
    same_rotation(rotation.multiply(turn, current), goal)


@given(vectors(scale=1.0), st.floats(0.0, math.pi))
def test_a_rotation_vector_is_axis_times_angle(axis, theta):
    if float(axis.norm()) < 1e-3:
        axis = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    axis = axis / axis.norm()
    expected = np.empty(4)
    mujoco.mju_axisAngle2Quat(expected, axis.numpy(), theta)
    q = rotation.from_rotation_vector(axis * theta)
    close(q, torch.from_numpy(expected), 1e-8)
    assert float(rotation.angle(q)) == pytest.approx(theta, abs=1e-8)


@pytest.mark.parametrize("theta", [1e-12, 1e-9, 1e-7, 1e-5])
def test_small_angles_keep_their_digits(theta):
    q = rotation.from_rotation_vector(torch.tensor([0.0, theta, 0.0], dtype=torch.float64))
    assert float(rotation.angle(q)) == pytest.approx(theta, rel=1e-6)


@given(vectors(scale=1.8))
def test_a_rotation_vector_comes_back_from_its_quaternion_whatever_the_sign(vector):
    q = rotation.from_rotation_vector(vector)
    close(rotation.to_rotation_vector(q), vector, 1e-7)
    close(rotation.to_rotation_vector(-q), vector, 1e-7)


@given(st.floats(-math.pi, math.pi))
def test_yaw_turns_about_the_vertical(yaw):
    turn = rotation.about_z(torch.tensor(yaw, dtype=torch.float64))
    close(turn, rotation.from_rotation_vector(torch.tensor([0.0, 0.0, yaw], dtype=torch.float64)), 1e-8)
    ahead = rotation.rotate(turn, torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64))
    close(ahead, torch.tensor([math.cos(yaw), math.sin(yaw), 0.0], dtype=torch.float64))


def test_the_zero_quaternion_becomes_no_rotation():
    rows = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0, 0.0, -5.0, 0.0]])
    close(rotation.normalize(rows), torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0]]))


@given(st.lists(quaternions(), min_size=2, max_size=5))
def test_every_function_is_the_same_row_by_row(rows):
    batch = torch.stack(rows).reshape(1, -1, 4)
    together = rotation.difference(batch, batch.flip(1))
    for index in range(len(rows)):
        alone = rotation.difference(rows[index], rows[-1 - index])
        assert torch.equal(together[0, index], alone)
        assert torch.equal(rotation.angle(batch)[0, index], rotation.angle(rows[index]))


def rejected(q):
    """Whether a KS test of the angle, or of where an axis ends up, says that rotations are not uniform."""
    angle = rotation.angle(q).numpy()
    # The angle of a uniform rotation has the density (1 - cos) / pi.
    worst = [stats.kstest(angle, lambda x: (x - np.sin(x)) / math.pi).pvalue]
    for axis in torch.eye(3, dtype=torch.float64):
        for coordinate in rotation.rotate(q, axis.expand(len(q), 3)).T:
            # Archimedes: each coordinate of a uniform direction is uniform.
            worst.append(stats.kstest(coordinate.numpy(), "uniform", (-1.0, 2.0)).pvalue)
    return min(worst) < LEVEL / len(worst)


def test_uniform_rotations_are_uniform():
    q = rotation.uniform(randomness.uniform(randomness.key(11).expand(1), 3 * SAMPLES).reshape(SAMPLES, 3))
    close(q.norm(dim=-1), torch.ones(SAMPLES, dtype=torch.float64))
    assert bool((q[:, 0] >= 0).all())
    assert not rejected(q)


def test_the_test_of_uniformity_sees_rotations_that_are_not():
    u = randomness.uniform(randomness.key(12).expand(1), 4 * SAMPLES).reshape(SAMPLES, 4)
    from_a_cube = rotation.normalize(2.0 * u - 1.0)
    assert rejected(from_a_cube)
    shrunk = rotation.uniform(u[:, :3] * torch.tensor([0.9, 1.0, 1.0]))
    assert rejected(shrunk)


def test_the_cube_has_24_rotations():
    cube = rotation.cube_group()
    assert cube.shape == (24, 4)
    apart = rotation.angle(rotation.difference(cube[:, None], cube[None]))
    assert float(apart[~torch.eye(24, dtype=torch.bool)].min()) == pytest.approx(math.pi / 2)
    products = rotation.multiply(cube[:, None], cube[None]).reshape(-1, 1, 4)
    nearest = rotation.angle(rotation.difference(products, cube[None])).min(dim=1).values
    assert float(nearest.max()) < 1e-7
    axes = rotation.rotate(cube[:, None], torch.eye(3, dtype=torch.float64)[None].expand(24, 3, 3))
    close(axes.abs().sum(dim=-1), torch.ones(24, 3, dtype=torch.float64))


def test_what_a_caller_does_to_the_cube_s_rotations_stays_its_own():
    rotation.cube_group()[0] = 7.0
    assert float(rotation.cube_group()[0].norm()) == pytest.approx(1.0)
    assert rotation.cube_group(torch.float32).dtype == torch.float32


@given(quaternions(), vectors())
def test_a_matrix_turns_as_its_quaternion_does(q, v):
    close(rotation.matrix(q) @ v, rotation.rotate(q, v))


@given(quaternions(), st.integers(0, 23))
def test_a_cubic_harmonic_does_not_see_which_face_is_which(q, index):
    other = rotation.multiply(q, rotation.cube_group()[index])
    close(rotation.cubic_harmonic(q), rotation.cubic_harmonic(other))


def test_a_cubic_harmonic_tells_every_other_rotation_apart():
    key = randomness.derive(randomness.key(0).expand(SAMPLES), torch.arange(SAMPLES))
    one, other = rotation.uniform(randomness.uniform(key, 3)), rotation.uniform(randomness.uniform(key + 1, 3))
    # The nearest of the 24 ways that a cube without letters may have turned from one to the other.
    ways = rotation.multiply(rotation.multiply(other[:, None], rotation.cube_group()), rotation.conjugate(one)[:, None])
    apart = rotation.angle(ways).amin(dim=1)
    difference = (rotation.cubic_harmonic(one) - rotation.cubic_harmonic(other)).flatten(1).norm(dim=1)
    assert float((difference / apart).min()) > 0.3

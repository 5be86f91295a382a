import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dexctl import rotation
from dexctl.vision.pose import NUM_ROTATION, decode_rotation, encode_rotation

UNIT = st.floats(0.0, 0.999)


@pytest.mark.parametrize("kind", NUM_ROTATION)
@given(u=st.tuples(UNIT, UNIT, UNIT))
def test_a_rotation_comes_back_from_its_numbers(kind, u):
    quaternion = rotation.uniform(torch.tensor([u], dtype=torch.float64))
    numbers = encode_rotation(quaternion, kind)
    assert numbers.shape == (1, NUM_ROTATION[kind])
    decoded = decode_rotation(numbers, kind)
    assert float(rotation.angle(rotation.difference(decoded, quaternion))) < 1e-6


@pytest.mark.parametrize("kind", NUM_ROTATION)
def test_half_turns_and_no_turn_come_back(kind):
    quaternions = torch.eye(4)
    decoded = decode_rotation(encode_rotation(quaternions, kind), kind)
    assert float(rotation.angle(rotation.difference(decoded, quaternions)).max()) < 1e-3


@pytest.mark.parametrize("kind", NUM_ROTATION)
@given(seed=st.integers(0, 1000))
def test_any_numbers_become_a_unit_quaternion_with_positive_w(kind, seed):
    numbers = torch.randn(8, NUM_ROTATION[kind], generator=torch.Generator().manual_seed(seed))
    decoded = decode_rotation(numbers, kind)
    assert torch.allclose(torch.linalg.vector_norm(decoded, dim=1), torch.ones(8), atol=1e-5)
    assert (decoded[:, 0] >= 0).all()


def test_numbers_of_a_matrix_are_continuous_where_the_quaternion_tears():
    before, after = (rotation.from_rotation_vector(torch.tensor([[0.0, 0.0, angle]])) for angle in (3.1415, 3.1417))
    assert (encode_rotation(before, "matrix") - encode_rotation(after, "matrix")).abs().max() < 1e-3
    assert (encode_rotation(before, "quaternion") - encode_rotation(after, "quaternion")).abs().max() > 1.9


def test_the_nearest_rotation_of_a_mirror_is_a_rotation():
    mirror = torch.diag(torch.tensor([1.0, 1.0, -0.5])).reshape(1, 9)
    assert float(rotation.angle(decode_rotation(mirror, "matrix"))) < 1e-5

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from dexctl.wire.parameters import ALIGNMENT, Packing, unpack, version_of

finite = npst.arrays(
    np.float32,
    npst.array_shapes(min_dims=0, max_dims=3, min_side=0),
    elements={"allow_nan": False, "allow_infinity": False},
)


def pack(version, parameters):
    packing = Packing(version, parameters)
    block = bytearray(packing.num_bytes)
    packing.write(memoryview(block))
    return block


@given(st.integers(1, 2**40), st.dictionaries(st.text(min_size=1, max_size=9), finite, max_size=5))
def test_what_is_packed_is_unpacked_bit_for_bit(version, parameters):
    block = memoryview(pack(version, parameters))
    found_version, found = unpack(block)
    assert found_version == version_of(block) == version
    assert list(found) == list(parameters)
    for name, array in parameters.items():
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


def test_unpacking_does_not_copy_and_arrays_are_aligned():
    block = np.frombuffer(pack(1, {"a": np.ones(3, np.float32), "b": np.ones((2, 2), np.float32)}), np.uint8)
    _, parameters = unpack(block.data)
    for array in parameters.values():
        assert np.shares_memory(array, block)
        assert (array.ctypes.data - block.ctypes.data) % ALIGNMENT == 0


def test_arrays_in_any_memory_order_can_be_packed():
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    _, found = unpack(memoryview(pack(1, {"turned": array.T, "every other": array[:, ::2]})))
    assert np.array_equal(found["turned"], array.T)
    assert np.array_equal(found["every other"], array[:, ::2])


@pytest.mark.parametrize("array", [np.array([np.nan], np.float32), np.zeros(2), np.array([object()])])
def test_only_finite_numbers_of_known_types_are_packed(array):
    with pytest.raises(ValueError, match="weight"):
        Packing(1, {"weight": array})


WHOLE = pack(5, {"a": np.ones((3, 4), np.float32), "b": np.zeros(9, np.int32)})


def test_a_truncated_block_is_noticed():
    for length in range(len(WHOLE)):
        with pytest.raises(ValueError, match="parameter"):
            unpack(memoryview(WHOLE[:length]))


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_a_changed_byte_ends_in_a_value_or_in_arrays_of_the_block(place, change):
    block = bytearray(WHOLE)
    block[place] ^= change
    try:
        _, arrays = unpack(memoryview(block))
    except ValueError:
        return
    assert sum(array.nbytes for array in arrays.values()) <= len(block)

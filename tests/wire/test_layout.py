import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from dexctl.wire.layout import ArrayLayout, Layout, is_finite

DTYPES = ("float32", "float64", "uint8", "int32", "bool")


@st.composite
def segments(draw):
    steps, environments = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    extents = st.lists(st.sampled_from(["T", "N", 0, 1, 3]), max_size=4).map(tuple)
    names = draw(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=5, unique=True))
    arrays = tuple(ArrayLayout(name, draw(st.sampled_from(DTYPES)), draw(extents)) for name in names)
    layout = Layout(steps, environments, arrays)
    finite = {"allow_nan": False, "allow_infinity": False}
    values = {
        array.name: draw(
            npst.arrays(array.dtype, layout.shape(array), elements=finite if array.dtype.startswith("float") else None)
        )
        for array in arrays
    }
    return layout, values


def received(frames):
    return [memoryview(bytes(frame)) for frame in frames]


@given(segments())
def test_what_is_framed_is_read_back_bit_for_bit(segment):
    layout, arrays = segment
    found = layout.arrays_of(received(layout.frames(arrays)))
    assert list(found) == [array.name for array in layout.arrays]
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()


def one(dtype="float32", shape=("T", "N", 2)):
    return Layout(3, 4, (ArrayLayout("x", dtype, shape),))


def test_neither_framing_nor_reading_copies():
    array = np.ones((3, 4, 2), np.float32)
    (frame,) = one().frames({"x": array})
    assert np.shares_memory(np.frombuffer(frame, np.uint8), array)
    assert np.shares_memory(one().arrays_of([frame])["x"], array)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, 4, 3), np.float32),
        np.zeros((3, 4, 2), np.float64),
        np.zeros((4, 3, 2), np.float32),
        np.zeros((2, 4, 3), np.float32).T,
        np.zeros((6, 4, 2), np.float32)[::2],
    ],
)
def test_a_worker_cannot_frame_another_shape_type_or_order(array):
    with pytest.raises(ValueError, match="x"):
        one().frames({"x": array})


@pytest.mark.parametrize("names", [[], ["y"], ["x", "y"]])
def test_a_worker_cannot_frame_other_names(names):
    with pytest.raises(ValueError, match="holds"):
        one().frames({name: np.zeros((3, 4, 2), np.float32) for name in names})


@pytest.mark.parametrize("size", [0, 95, 97, 96 * 2])
def test_a_frame_of_another_length_is_refused(size):
    with pytest.raises(ValueError, match="bytes"):
        one().arrays_of([memoryview(bytes(size))])


@pytest.mark.parametrize("count", [0, 2])
def test_another_number_of_frames_is_refused(count):
    with pytest.raises(ValueError, match="arrays, the layout has 1"):
        one().arrays_of([memoryview(bytes(96))] * count)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 11, 23])
def test_a_number_that_is_not_finite_is_refused(value, place):
    array = np.zeros(24, np.float32)
    array[place] = value
    with pytest.raises(ValueError, match="x holds a number that is not finite"):
        one().arrays_of([memoryview(array.tobytes())])


@given(npst.arrays(np.float32, st.integers(1, 40), elements=st.floats(width=32)))
def test_finite_means_that_every_number_is(array):
    assert is_finite(array) == np.isfinite(array).all()


@pytest.mark.parametrize("value", [2, 255])
def test_a_bool_is_zero_or_one(value):
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        one("bool", ("T", "N")).arrays_of([memoryview(bytes(11) + bytes([value]))])


def test_a_layout_names_no_array_twice_and_is_bounded():
    array = ArrayLayout("x", "float32", ("T",))
    with pytest.raises(ValueError, match="twice"):
        Layout(1, 1, (array, array))
    with pytest.raises(ValueError, match="at most"):
        Layout(2**31, 2**31, (ArrayLayout("x", "float32", ("T", "N")),))


def test_the_digest_tells_layouts_apart():
    layouts = [one(), one("int32"), one(shape=("N", "T", 2)), Layout(4, 3, one().arrays)]
    assert len({layout.digest for layout in layouts}) == len(layouts)
    assert one().digest == one().digest

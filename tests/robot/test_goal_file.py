import contextlib
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dexctl.errors import DataError, MissingError
from dexctl.robot.goal_file import read_goals


def test_a_list_of_unit_quaternions_is_read(tmp_path):
    path = tmp_path / "goals.json"
    path.write_text("[[1, 0, 0, 0], [0, 0.6, 0.8, 0]]")
    assert read_goals(path) == [(1, 0, 0, 0), (0, 0.6, 0.8, 0)]


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "[[1,0,0]]", "[[1,0,0,1]]", '[["a",0,0,0]]', "[[1e999,0,0,0]]", "[" * 10_000]
)
def test_anything_else_is_refused(tmp_path, text):
    path = tmp_path / "goals.json"
    path.write_text(text)
    with pytest.raises(DataError):
        read_goals(path)


def test_a_file_that_is_not_there_and_one_without_an_end(tmp_path):
    with pytest.raises(MissingError):
        read_goals(tmp_path / "none.json")
    large = tmp_path / "large.json"
    large.write_text(json.dumps([[1, 0, 0, 0]] * 200_000))
    with pytest.raises(DataError, match="longer than"):
        read_goals(large)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200))
def test_no_bytes_break_it(tmp_path, content):
    path = tmp_path / "goals.json"
    path.write_bytes(content)
    with contextlib.suppress(DataError):
        assert read_goals(path)

import math

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from dexctl.errors import ProfileError
from dexctl.profile.layers import nest
from dexctl.profile.settings import parse_settings, split_variable
from dexctl.profile.write import toml_value, write_toml

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
SCALARS = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = SCALARS | st.lists(SCALARS, max_size=3)


def values(*settings):
    return nest(parse_settings(settings, "--set"))


@given(VALUES)
def test_any_value_survives_being_written_and_set(value):
    assert values(f"table.key={toml_value(value)}") == {"table": {"key": value}}


@given(st.dictionaries(TEXTS.filter(lambda name: "." not in name), VALUES, max_size=4))
def test_any_table_survives_being_written_and_read(table):
    assert tomli.loads(write_toml({"t": table}, {"t.a": "here\n\x85"}, "heading")) == {"t": table}


@given(st.lists(VALUES, max_size=4))
def test_the_variable_splits_between_settings_and_never_inside_texts(items):
    settings = [f"t.k{index}={toml_value(value)}" for index, value in enumerate(items)]
    assert split_variable("; ".join(settings)) == [setting.strip() for setting in settings]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("a.b=3", 3),
        ("a.b = 3e-4", 3e-4),
        ("a.b=true", True),
        ("a.b=[1, 2]", [1, 2]),
        ("a.b=face-up", "face-up"),
        ('a.b="face up"', "face up"),
        ("a.b=hands/mine.xml", "hands/mine.xml"),
        ('a."b"=1', 1),
        ("a.b='x=y'", "x=y"),
    ],
)
def test_values_are_toml_and_bare_words_are_text(setting, value):
    assert values(setting) == {"a": {"b": value}}


def test_a_key_may_be_quoted_as_in_the_file():
    assert values('object.face_colors."+x"=[1, 1, 1]') == {"object": {"face_colors": {"+x": [1, 1, 1]}}}


def test_later_settings_win():
    assert values("a.b=1", "a.c=1", "a.b=2") == {"a": {"b": 2, "c": 1}}


def test_an_inline_table_merges():
    assert values("a.b=1", "a={c=2}") == {"a": {"b": 1, "c": 2}}


@pytest.mark.parametrize("setting", ["a.b", "=1", "a.=1", ".=1", "a.b=", "a.b=two words", "a.b=[1", "a.b=1\nc=2"])
def test_what_is_no_setting_is_refused_and_quoted(setting):
    with pytest.raises(ProfileError) as caught:
        values(setting)
    assert str(caught.value).startswith(f"--set '{setting}': ")


def test_infinity_is_a_value_that_the_schema_refuses_later():
    assert math.isinf(values("a.b=inf")["a"]["b"])

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dexctl.console.json_text import to_json

LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
NESTED = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3), max_leaves=4)
DOCUMENTS = st.dictionaries(st.text(max_size=5), NESTED, max_size=4)


def refuse(constant):
    raise AssertionError(f"{constant} is not JSON")


@given(DOCUMENTS)
def test_every_document_is_strict_json_on_one_line(document):
    text = to_json(document)
    assert "\n" not in text
    json.loads(text, parse_constant=refuse)


def test_nonfinite_numbers_are_null_and_named():
    document = {"loss": float("nan"), "deep": {"list": [1.0, float("inf")]}, "fine": 2.5}
    assert json.loads(to_json(document)) == {
        "loss": None,
        "deep": {"list": [1.0, None]},
        "fine": 2.5,
        "nonfinite": ["loss", "deep.list.1"],
    }


def test_finite_documents_name_nothing():
    assert "nonfinite" not in json.loads(to_json({"loss": 1.0}))


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (np.array([[1.0, np.nan]]), [[1.0, None]]),
        (torch.tensor([1, 2]), [1, 2]),
        (torch.tensor(0.25), 0.25),
        (Path("runs/a"), "runs/a"),
        ((1, 2), [1, 2]),
    ],
)
def test_arrays_tensors_and_paths_become_plain(value, plain):
    assert json.loads(to_json({"value": value}))["value"] == plain


def test_what_json_has_no_word_for_is_refused_by_name():
    with pytest.raises(TypeError, match="blob"):
        to_json({"blob": b"bytes"})

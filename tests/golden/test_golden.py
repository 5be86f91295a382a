"""Learning, motion and evaluation are what they were: small runs against figures kept with their bounds."""

import golden
import pytest


@pytest.mark.parametrize("name", golden.RUNS)
def test_figures_are_what_they_were(name):
    assert golden.differences(name, golden.read(name), golden.RUNS[name]()) == [], "see tools/golden.py"


def test_every_kept_figure_is_of_a_run():
    assert {path.stem for path in golden.FOLDER.glob("*.json")} == golden.RUNS.keys()


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        ([[1.0], [2.0]], 0),
        ([[1.0005], [2.3]], 0),
        ([[1.1], [2.0]], 1),
        ([[1.0], [4.0]], 1),
        ([[1.0], [float("nan")]], 1),
        ([[1.0]], 1),
        ([[1.0, 1.0], [2.0, 1.0]], 1),
    ],
)
def test_what_leaves_its_bounds_is_told(found, wrong):
    assert len(golden.differences("learning", [[1.0], [2.0]], found)) == wrong

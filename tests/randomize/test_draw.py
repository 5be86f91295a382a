"""Numbers drawn from what a profile says: their distributions, and what each depends on."""

import pytest
import torch

from dexctl import randomness
from dexctl.profile.distribution import Distribution
from dexctl.randomize.draw import Draws

from .conftest import assert_drawn_from

KEYS = randomness.derive(randomness.key(11).expand(10_000), torch.arange(10_000))
VALUES = {
    "uniform": Distribution(uniform=(-0.5, 1.5)),
    "loguniform": Distribution(loguniform=(0.3, 3.0)),
    "normal": Distribution(normal=(2.0, 0.15)),
    "exponential": Distribution(exponential=0.4),
}


@pytest.mark.parametrize("kind", VALUES)
def test_each_kind_is_drawn_as_it_says(kind):
    assert_drawn_from(Draws("test", value=(VALUES[kind], 5))(KEYS)["value"], VALUES[kind])


def test_a_number_is_drawn_as_itself():
    assert_drawn_from(Draws("test", value=(0.25, 3))(KEYS)["value"], 0.25)


def test_a_range_without_width_is_its_number():
    for value in (
        Distribution(uniform=(2.0, 2.0)),
        Distribution(normal=(2.0, 0.0)),
        Distribution(loguniform=(2.0, 2.0)),
    ):
        assert_drawn_from(Draws("test", value=(value, 3))(KEYS[:10])["value"], 2.0)


def test_a_draw_depends_on_its_key_step_and_stream_and_on_nothing_else():
    values = {name: (value, 2) for name, value in VALUES.items()}
    draws = Draws("test", **values)
    step = torch.full((10_000,), 3)
    whole, few = draws(KEYS, step), draws(KEYS[40:43], step[:3])
    for name, value in whole.items():
        assert torch.equal(value[40:43], few[name])
        for other in (draws(KEYS + 1, step), draws(KEYS, step + 1), Draws("toast", **values)(KEYS, step)):
            correlation = torch.corrcoef(torch.cat((value, other[name]), dim=1).T) - torch.eye(4)
            assert float(correlation.abs().max()) < 4.5 / 100


def test_what_one_is_drawn_from_changes_no_other():
    before = Draws("test", first=(VALUES["uniform"], 2), other=(VALUES["normal"], 3))(KEYS)
    for instead in (1.0, VALUES["normal"], VALUES["loguniform"]):
        after = Draws("test", first=(instead, 2), other=(VALUES["normal"], 3))(KEYS)
        assert torch.equal(before["other"], after["other"])
        assert not torch.equal(before["first"], after["first"])

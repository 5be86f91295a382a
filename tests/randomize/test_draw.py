"""Numbers drawn from what a profile says: their distributions, and what each depends on."""

import pytest
import torch

from dexctl import randomness
from dexctl.profile.distribution import Distribution
from dexctl.randomize.draw import Draws, Together

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


def test_what_is_drawn_together_is_to_the_last_bit_what_each_gives_alone():
    sets = [
        Draws("first", one=(VALUES["normal"], 3), other=(VALUES["uniform"], 2), fixed=(0.5, 4)),
        Draws("second", none=(VALUES["normal"], 0), one=(VALUES["normal"], 40)),
        Draws("third", one=(VALUES["exponential"], 1), other=(VALUES["loguniform"], 20), more=(VALUES["normal"], 5)),
    ]
    for keys in (KEYS[:1], KEYS[:7], KEYS[:256]):
        step = torch.arange(len(keys))
        for drawn, draws in zip(Together(sets)(keys, step), sets, strict=True):
            alone = draws(keys, step)
            assert drawn.keys() == alone.keys() == draws.values.keys()
            for name, (_, count) in draws.values.items():
                assert drawn[name].shape == (len(keys), count)
                assert torch.equal(drawn[name], alone[name]), name


def test_normal_numbers_are_those_of_box_and_muller_in_the_order_of_their_columns():
    stream = randomness.derive(KEYS[:50], randomness.stream("test.normal"))
    draws = Draws("test", one=(VALUES["normal"], 2), between=(VALUES["uniform"], 2), other=(VALUES["normal"], 3))
    drawn = draws(KEYS[:50])
    expected = 2.0 + 0.15 * randomness.normal(stream, 7)
    assert torch.equal(drawn["one"], expected[:, :2])
    assert torch.equal(drawn["other"], expected[:, 4:])


def test_of_nothing_nothing_is_drawn():
    assert Together([])(KEYS) == []

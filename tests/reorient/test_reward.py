"""What a step is worth, worked out by hand."""

import msgspec
import pytest
import torch

from dexctl.profile.load import load
from dexctl.reorient.reward import palm_distance, reward

PAPER = load("block-paper", (), {}).profile.reward


def worth(settings, before, after, distance=0.0, reached=False, dropped=False):
    one = torch.ones(1, dtype=torch.float64)
    value = reward(
        settings, before * one, after * one, distance * one, torch.tensor([reached]), torch.tensor([dropped])
    )
    assert value.shape == (1,)
    return float(value)


@pytest.mark.parametrize(
    ("before", "after", "reached", "dropped", "expected"),
    [
        (1.5, 1.2, False, False, 0.3),
        (1.2, 1.5, False, False, -0.3),
        (0.5, 0.39, True, False, 5.11),
        (1.0, 2.0, False, True, -21.0),
    ],
)
def test_progress_pays_the_angle_won_and_the_two_events(before, after, reached, dropped, expected):
    assert (PAPER.kind, PAPER.goal, PAPER.drop, PAPER.scale) == ("progress", 5.0, -20.0, 1.0)
    assert worth(PAPER, before, after, 9.0, reached, dropped) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("after", "distance", "reached", "dropped", "expected"),
    [
        (0.4, 0.0, False, False, 0.02),
        (0.4, 0.1, False, False, 0.01),
        (0.1, 0.0, True, False, 0.05 + 2.5),
        (1.9, 0.2, False, True, 0.005 - 0.02 - 0.5),
    ],
)
def test_shaped_pays_nearness_the_palm_and_the_two_events(after, distance, reached, dropped, expected):
    shaped = msgspec.structs.replace(PAPER, kind="shaped", goal=250.0, drop=-50.0, scale=0.01, distance=-10.0)
    assert worth(shaped, 3.0, after, distance, reached, dropped) == pytest.approx(expected)
    # What the angle was before is no matter.
    assert worth(shaped, 0.0, after, distance, reached, dropped) == pytest.approx(expected)


def test_progress_may_want_the_object_in_the_palm():
    near = msgspec.structs.replace(PAPER, distance=-0.5)
    assert worth(near, 1.5, 1.2, distance=0.1) == pytest.approx(0.3 - 0.05)


def test_all_of_it_is_scaled():
    scaled = msgspec.structs.replace(PAPER, scale=0.2)
    assert worth(scaled, 1.5, 0.3, reached=True) == pytest.approx(0.2 * worth(PAPER, 1.5, 0.3, reached=True))


def test_the_distance_from_the_palm_is_a_length():
    positions = torch.tensor([[1.0, 2.0, 3.0], [1.0, 5.0, 7.0]])
    assert palm_distance(positions, (1.0, 2.0, 3.0)).tolist() == [0.0, 5.0]

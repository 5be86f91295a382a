"""The memory probe: it finds what is there, and nothing where nothing is."""

import pytest
import torch

from dexctl.evaluate.memory import gather, probe, wilson
from dexctl.policy.actor import Actor

N = 400


@pytest.fixture
def noise():
    return torch.randn(N, 30, generator=torch.Generator().manual_seed(2))


def test_a_probe_finds_what_a_feature_shows(noise):
    size = 1.0 + 0.05 * noise[:, 3] + 0.01 * noise[:, 4]
    assert probe(noise, size).accuracy > 0.9


def test_a_probe_finds_nothing_in_noise_however_many_features_there_are():
    generator = torch.Generator().manual_seed(3)
    found = probe(torch.randn(N, 300, generator=generator), torch.rand(N, generator=generator))
    assert 0.4 < found.accuracy < 0.6


def test_no_sample_tells_its_own_side(noise):
    """A feature that names each sample, and nothing else, is of no use to others."""
    named = torch.eye(120)
    assert probe(named, noise[:120, 0]).accuracy < 0.65


def test_units_and_constant_features_do_not_matter(noise):
    size = noise[:, 3]
    scaled = torch.cat((noise * torch.logspace(-3, 3, 30), torch.ones(N, 2)), dim=1)
    assert probe(scaled, size * 1e-6 + 5).accuracy == pytest.approx(probe(noise, size).accuracy, abs=0.02)


def test_the_interval_is_wilson_s():
    # Newcombe 1998, table I: 81 of 263.
    assert wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)


@pytest.fixture
def gathered(toy):
    def gathered(kind, *settings, count=6):
        still = ("task.success_rad=0.01", "evaluate.goal_timeout_s=80", "evaluate.batch=4", *settings)
        profile = toy(kind, *still, name="ablation/all")
        return gather(profile, Actor(profile, 20, seed=3), count, 7, seconds=0.4)

    return gathered


@pytest.mark.parametrize(("kind", "feature", "width"), [("lstm", "memory", 16), ("feedforward", "last layer", 16)])
def test_what_a_policy_carries_is_taken_down_with_the_physics_it_was_in(gathered, kind, feature, width):
    samples = gathered(kind)
    kept = 6 - samples.dropped
    assert kept >= 4
    assert samples.features[feature].shape == (kept, width)
    assert samples.features["observations"].shape == (kept, 22)
    assert set(samples.physics) == {"size", "mass", "friction"}
    half = 0.0285
    assert ((samples.physics["size"] / half > 0.949) & (samples.physics["size"] / half < 1.051)).all()
    assert all(len(values.unique()) == kept for values in samples.physics.values())


def test_samples_repeat_and_differ_with_the_seed_s_number(gathered):
    one, again = gathered("lstm"), gathered("lstm")
    assert torch.equal(one.features["memory"], again.features["memory"])
    assert torch.equal(one.physics["size"], again.physics["size"])


def test_physics_that_is_not_randomized_is_not_asked_for(gathered):
    samples = gathered("lstm", "randomize.physics.mass=1.0", "randomize.physics.friction=1.0")
    assert set(samples.physics) == {"size"}

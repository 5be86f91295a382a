"""One categorical for each coordinate: drawn as it says, measured as torch's own measures it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch.distributions import Categorical, Independent

from dexctl import randomness
from dexctl.policy import distribution

SAMPLES, LEVEL = 40_000, 1e-5


def logits_of(seed, *shape):
    return 2.0 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@given(st.integers(0, 1000), st.integers(2, 12))
def test_probabilities_and_entropy_are_torch_s(seed, bins):
    logits = logits_of(seed, 6, 3, bins)
    theirs = Independent(Categorical(logits=logits), 1)
    drawn, log_probability = distribution.sample(
        logits, torch.rand(6, 3, generator=torch.Generator().manual_seed(seed))
    )
    torch.testing.assert_close(log_probability.sum(dim=-1), theirs.log_prob(drawn), atol=1e-5, rtol=1e-5)
    normalized = torch.log_softmax(logits, dim=-1)
    torch.testing.assert_close(distribution.entropy(normalized), theirs.entropy(), atol=1e-5, rtol=1e-5)
    again = distribution.log_probability_of(normalized, drawn)
    torch.testing.assert_close(again, log_probability)


def test_bins_are_drawn_as_often_as_they_are_likely():
    logits = logits_of(1, 1, 4, 11)
    uniform = randomness.uniform(randomness.derive(torch.arange(SAMPLES), 9), 4, torch.float32)
    drawn, _ = distribution.sample(logits.expand(SAMPLES, 4, 11), uniform)
    for coordinate in range(4):
        counts = torch.bincount(drawn[:, coordinate], minlength=11).numpy()
        expected = logits[0, coordinate].double().softmax(dim=0).numpy() * SAMPLES
        assert stats.chisquare(counts, expected).pvalue > LEVEL
        # The same test sees a policy that is off by a tenth of a logit in one bin.
        off = logits[0, coordinate].double().clone()
        off[int(counts.argmax())] += 0.1
        assert stats.chisquare(counts, off.softmax(dim=0).numpy() * SAMPLES).pvalue < LEVEL


def test_coordinates_are_drawn_independently():
    logits = logits_of(2, 1, 2, 5)
    uniform = randomness.uniform(randomness.derive(torch.arange(SAMPLES), 9), 2, torch.float32)
    drawn, _ = distribution.sample(logits.expand(SAMPLES, 2, 5), uniform)
    table = np.zeros((5, 5))
    np.add.at(table, (drawn[:, 0].numpy(), drawn[:, 1].numpy()), 1)
    assert stats.chi2_contingency(table).pvalue > LEVEL


@given(st.floats(0.0, 1.0, exclude_max=True, width=32), st.integers(0, 100))
def test_a_draw_is_the_inverse_of_the_cumulative_distribution(u, seed):
    logits = logits_of(seed, 1, 1, 7).double()
    drawn = int(distribution.sample(logits, torch.tensor([[u]], dtype=torch.float64))[0])
    cumulative = logits[0, 0].softmax(dim=0).cumsum(dim=0)
    below = float(cumulative[drawn - 1]) if drawn else 0.0
    assert below - 1e-12 <= u <= float(cumulative[drawn]) + 1e-12


@pytest.mark.parametrize("u", [0.0, 0.5, float(np.nextafter(np.float32(1), np.float32(0)))])
def test_no_bin_without_a_chance_is_ever_drawn(u):
    logits = torch.full((1, 1, 5), -1e9)
    logits[0, 0, 1] = logits[0, 0, 3] = 0.0
    drawn, log_probability = distribution.sample(logits, torch.tensor([[u]]))
    assert int(drawn) in (1, 3)
    assert float(log_probability) == pytest.approx(np.log(0.5))


def test_the_greedy_action_is_the_likeliest():
    logits = logits_of(5, 8, 4, 11)
    likeliest = distribution.greedy(logits)
    chance = logits.softmax(dim=-1)
    assert torch.equal(chance.gather(-1, likeliest.unsqueeze(-1)).squeeze(-1), chance.amax(dim=-1))


@pytest.mark.parametrize("bins", [2, 11])
def test_the_gaussian_start_is_symmetric_about_doing_nothing(bins):
    logits = distribution.gaussian_logits(bins, 0.8)
    torch.testing.assert_close(logits, logits.flip(0))
    assert torch.equal(distribution.gaussian_logits(bins, 0.0), torch.zeros(bins))
    values = torch.linspace(-1, 1, 201)
    chance = distribution.gaussian_logits(201, 0.2).softmax(dim=0)
    assert float((chance * values**2).sum().sqrt()) == pytest.approx(0.2, rel=1e-3)

"""Advantages, against their definition written out."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dexctl.ppo.advantage import generalized_advantage

numbers = st.floats(-10.0, 10.0, width=32)


def by_definition(reward, value, final_value, terminal, timeout, discount, gae_lambda):
    """Sum over the future of (discount lambda)^k delta_{t+k}, up to the end of the episode."""
    steps, count = reward.shape
    advantage = np.zeros((steps, count))
    for n in range(count):
        for t in range(steps):
            for k in range(steps - t):
                at = t + k
                if timeout[at, n]:
                    following = value[at, n]
                elif terminal[at, n]:
                    following = 0.0
                else:
                    following = final_value[n] if at == steps - 1 else value[at + 1, n]
                delta = reward[at, n] + discount * following - value[at, n]
                advantage[t, n] += (discount * gae_lambda) ** k * delta
                if terminal[at, n]:
                    break
    return advantage


@st.composite
def segments(draw):
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 3)))
    reward, value = (draw(arrays.arrays(np.float64, shape, elements=numbers)) for _ in range(2))
    final = draw(arrays.arrays(np.float64, shape[1], elements=numbers))
    terminal = draw(arrays.arrays(bool, shape))
    timeout = terminal & draw(arrays.arrays(bool, shape))
    return reward, value, final, terminal, timeout


@given(segments(), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_advantages_are_those_of_the_definition(segment, discount, gae_lambda):
    expected = by_definition(*segment, discount, gae_lambda)
    found = generalized_advantage(*map(torch.from_numpy, segment), discount, gae_lambda)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-9)


@given(segments(), st.integers(0, 2**32 - 1))
def test_nothing_crosses_the_end_of_an_episode(segment, seed):
    reward, value, final, terminal, timeout = segment
    terminal[len(terminal) // 2] = True
    timeout &= terminal
    generator = np.random.default_rng(seed)
    later = slice(len(terminal) // 2 + 1, None)
    other_reward, other_value = reward.copy(), value.copy()
    other_reward[later] = generator.normal(size=other_reward[later].shape)
    other_value[later] = generator.normal(size=other_value[later].shape)
    before, after = (
        generalized_advantage(*map(torch.from_numpy, (r, v, f, terminal, timeout)), 0.99, 0.95)
        for r, v, f in ((reward, value, final), (other_reward, other_value, final + 1.0))
    )
    kept = slice(0, len(terminal) // 2 + 1)
    assert torch.equal(before[kept], after[kept])


@given(segments(), st.floats(0.1, 1.0))
def test_with_lambda_one_advantage_and_value_are_the_return(segment, discount):
    reward, value, final, terminal, _ = segment
    found = generalized_advantage(
        *map(torch.from_numpy, (reward, value, final, terminal, np.zeros_like(terminal))), discount, 1.0
    )
    returns, follow = np.zeros_like(reward), final.copy()
    for t in range(len(reward) - 1, -1, -1):
        follow = reward[t] + discount * np.where(terminal[t], 0.0, follow)
        returns[t] = follow
    np.testing.assert_allclose((found + torch.from_numpy(value)).numpy(), returns, atol=1e-9)


def test_a_value_that_is_right_leaves_no_advantage():
    # Reward one a step for ever: the value is 1 / (1 - discount).
    steps, discount = 20, 0.9
    value = torch.full((steps, 1), 1 / (1 - discount), dtype=torch.float64)
    nobody = torch.zeros(steps, 1, dtype=torch.bool)
    found = generalized_advantage(torch.ones_like(value), value, value[0], nobody, nobody, discount, 0.95)
    assert float(found.abs().max()) == pytest.approx(0.0, abs=1e-12)
    # A timeout that is bootstrapped leaves none either; an end that is not does.
    cut = nobody.clone()
    cut[10] = True
    timeout = generalized_advantage(torch.ones_like(value), value, value[0], cut, cut, discount, 0.95)
    assert float(timeout.abs().max()) == pytest.approx(0.0, abs=1e-12)
    ended = generalized_advantage(torch.ones_like(value), value, value[0], cut, nobody, discount, 0.95)
    assert float(ended[10]) == pytest.approx(-discount / (1 - discount))

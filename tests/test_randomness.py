"""Draws without a state: the same whatever is drawn beside them, and random in every direction they count in."""

import ast
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dexctl import randomness

PACKAGE = Path(randomness.__file__).parent
# A KS test of this size and level misses a distribution function that is off by 0.02 less than once in
# a thousand times, and rejects a right one once in ten thousand.
SAMPLES, LEVEL = 50_000, 1e-4
WORD = 1 << 64

words = st.integers(-(1 << 63), (1 << 63) - 1)


def uniform_by_hand(key, count):
    """SplitMix64 as published, in Python's integers."""
    draws = []
    for index in range(1, count + 1):
        z = (key + index * 0x9E3779B97F4A7C15) % WORD
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % WORD
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % WORD
        draws.append(((z ^ (z >> 31)) >> 11) / (1 << 53))
    return draws


@given(words, st.integers(1, 5))
def test_draws_are_those_of_splitmix64(key, count):
    assert randomness.uniform(torch.tensor([key]), count)[0].tolist() == uniform_by_hand(key, count)


@given(st.lists(words, min_size=1, max_size=6), st.integers(1, 4), words)
def test_a_row_is_the_same_in_any_batch(keys, count, value):
    together = torch.tensor(keys)
    derived = randomness.derive(together, value, torch.arange(len(keys)))
    uniform, normal = randomness.uniform(together, count), randomness.normal(together, count)
    for row, key in enumerate(keys):
        alone = torch.tensor([key])
        assert torch.equal(randomness.derive(alone, value, row), derived[row : row + 1])
        assert torch.equal(randomness.uniform(alone, count)[0], uniform[row])
        assert torch.equal(randomness.normal(alone, count)[0], normal[row])


@given(words, st.integers(1, 6), st.integers(0, 6))
def test_drawing_more_changes_nothing_of_what_was_drawn(key, count, more):
    one = torch.tensor([key])
    assert torch.equal(randomness.uniform(one, count), randomness.uniform(one, count + more)[:, :count])


@given(st.lists(words, min_size=2, max_size=4, unique=True))
def test_order_and_number_of_what_a_key_is_derived_from_matter(values):
    keys = {int(randomness.key(*order)) for order in itertools.permutations(values)}
    assert len(keys) == len(list(itertools.permutations(values)))
    assert int(randomness.key(*values)) != int(randomness.key(*values[:-1]))


def test_a_stream_s_name_is_its_number():
    assert randomness.stream("policy.sample") == randomness.stream("policy.sample")
    assert randomness.stream("ab") != randomness.stream("ba")


def named_streams():
    """Every name that the package asks a stream for."""
    names = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"stream", "randomness.stream"}:
                argument = node.args[0]
                if isinstance(argument, ast.Constant):
                    names.add(argument.value)
    return names


def test_no_two_effects_share_a_stream():
    names = named_streams()
    assert {"start", "goal", "policy.sample", "rollout.episode", "evaluate.trial"} <= names
    assert len({randomness.stream(name) for name in names}) == len(names)


def along(direction):
    """Draws counted along one of the directions that the package counts in."""
    count = torch.arange(SAMPLES)
    many = randomness.key(7).expand(SAMPLES)
    match direction:
        case "index":
            return randomness.uniform(randomness.key(7), SAMPLES)[0]
        case "step":
            keys = randomness.derive(many, 5, count)
        case "trial":
            keys = randomness.derive(many, count, 5)
        case "seed":
            keys = randomness.derive(torch.zeros_like(count), count)
        case "stream":
            keys = randomness.derive(many, torch.tensor([randomness.stream(f"s{i}") for i in range(SAMPLES)]))
        case _:
            keys = count
    return randomness.uniform(keys, 1)[:, 0]


@pytest.mark.parametrize("direction", ["index", "step", "trial", "seed", "stream", "key"])
def test_draws_are_uniform_and_independent_along_every_direction(direction):
    u = along(direction).numpy()
    assert stats.kstest(u, "uniform").pvalue > LEVEL
    for lag in (1, 2, 11, 64):
        cells, _, _ = np.histogram2d(u[:-lag], u[lag:], bins=16, range=[[0, 1], [0, 1]])
        assert stats.chisquare(cells.ravel()).pvalue > LEVEL


@pytest.mark.parametrize(("one", "other"), [("start", "goal"), ("start", "policy.sample"), ("goal", "policy.sample")])
def test_streams_of_one_key_are_independent(one, other):
    keys = torch.arange(SAMPLES)
    u, v = (
        randomness.uniform(randomness.derive(keys, randomness.stream(name)), 1)[:, 0].numpy() for name in (one, other)
    )
    cells, _, _ = np.histogram2d(u, v, bins=16, range=[[0, 1], [0, 1]])
    assert stats.chisquare(cells.ravel()).pvalue > LEVEL


@pytest.mark.parametrize("bit", range(0, 64, 7))
def test_one_other_bit_of_the_seed_changes_half_of_the_bits(bit):
    seeds = torch.arange(4000)
    flipped = seeds ^ (torch.tensor(1) << bit)
    zero = torch.zeros_like(seeds)
    changed = randomness.derive(zero, seeds) ^ randomness.derive(zero, flipped)
    share = np.unpackbits(changed.numpy().view(np.uint8)).mean()
    # 4000 x 64 coins: a standard deviation is 0.001.
    assert share == pytest.approx(0.5, abs=0.005)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_normal_numbers_are_normal(count):
    z = randomness.normal(randomness.derive(torch.arange(SAMPLES // count), 3), count)
    assert z.shape == (SAMPLES // count, count)
    assert stats.kstest(z.flatten().numpy(), "norm").pvalue > LEVEL
    if count > 1:
        # Cosine and sine of one turn stand half a row apart.
        assert abs(float(torch.corrcoef(z.T)[0, count // 2])) < 5 / (SAMPLES // count) ** 0.5


def key_whose_first_draw_has_every_bit_set():
    """SplitMix64 run backwards from a word of ones."""

    def unshift(z, shift):
        result = z
        for _ in range(64 // shift + 1):
            result = z ^ (result >> shift)
        return result

    z = unshift(WORD - 1, 31)
    z = unshift(z * pow(0x94D049BB133111EB, -1, WORD) % WORD, 27)
    z = unshift(z * pow(0xBF58476D1CE4E5B9, -1, WORD) % WORD, 30)
    key = (z - 0x9E3779B97F4A7C15) % WORD
    assert uniform_by_hand(key, 1) == [1 - 2**-53]
    return torch.tensor([key - WORD if key >= WORD // 2 else key])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_largest_draw_is_below_one_in_every_type(dtype):
    key = key_whose_first_draw_has_every_bit_set()
    assert float(randomness.uniform(key, 1, dtype)) < 1.0
    assert bool(torch.isfinite(randomness.normal(key, 2, dtype)).all())

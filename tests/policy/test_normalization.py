"""Running statistics: those of all data so far, however they came."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dexctl.policy.normalization import RunningNormalization


def data(seed, rows, columns=3):
    generator = torch.Generator().manual_seed(seed)
    scale = torch.tensor([1.0, 1e-2, 50.0])[:columns]
    return torch.randn(rows, columns, generator=generator) * scale + 10.0 * scale


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(0, 99))
def test_parts_add_up_to_the_whole(sizes, seed):
    rows = data(seed, sum(sizes))
    running = RunningNormalization(3, 5.0)
    for part in rows.split(sizes):
        running.update(part)
    whole = rows.double().numpy()
    np.testing.assert_allclose(running.mean.numpy(), whole.mean(axis=0), rtol=1e-4)
    np.testing.assert_allclose(running.variance.numpy(), whole.var(axis=0), rtol=2e-3, atol=1e-9)
    assert int(running.count) == len(rows)


def test_statistics_merge_as_their_data_would():
    rows = data(1, 700)
    together, merged = RunningNormalization(3, 5.0), RunningNormalization(3, 5.0)
    together.update(rows)
    for part in rows.split([100, 600]):
        merged.merge(part.mean(dim=0), part.var(dim=0, correction=0), float(len(part)))
    torch.testing.assert_close(merged.mean, together.mean)
    torch.testing.assert_close(merged.variance, together.variance, rtol=1e-4, atol=1e-9)


def test_any_leading_dimensions_count_as_rows():
    rows = data(2, 60)
    flat, folded = RunningNormalization(3, 5.0), RunningNormalization(3, 5.0)
    flat.update(rows)
    folded.update(rows.reshape(4, 15, 3))
    assert torch.equal(flat.mean, folded.mean)
    assert int(folded.count) == 60


def test_normalized_data_has_zero_mean_and_unit_deviation_and_is_clipped():
    rows = data(3, 5000)
    running = RunningNormalization(3, 2.0)
    running.update(rows)
    normal = running(rows)
    assert float(normal.abs().max()) == 2.0
    wide = RunningNormalization(3, 50.0)
    wide.update(rows)
    np.testing.assert_allclose(wide(rows).mean(dim=0).numpy(), 0.0, atol=2e-3)
    np.testing.assert_allclose(wide(rows).std(dim=0).numpy(), 1.0, atol=2e-3)
    torch.testing.assert_close(wide.inverse(wide(rows)), rows, rtol=1e-4, atol=1e-5)


def test_what_never_varies_stays_finite():
    running = RunningNormalization(2, 5.0)
    running.update(torch.full((10, 2), 3.0))
    assert torch.equal(running(torch.full((1, 2), 3.0)), torch.zeros(1, 2))
    assert bool(torch.isfinite(running(torch.tensor([[4.0, -1e30]]))).all())


def test_a_new_one_leaves_data_as_it_is():
    assert torch.equal(RunningNormalization(3, 5.0)(torch.tensor([1.0, -2.0, 9.0])), torch.tensor([1.0, -2.0, 5.0]))


@pytest.mark.parametrize("batches", [200])
def test_long_runs_keep_their_digits(batches):
    running = RunningNormalization(1, 5.0)
    generator = torch.Generator().manual_seed(0)
    for _ in range(batches):
        running.update(1000.0 + torch.randn(5000, 1, generator=generator))
    assert float(running.mean) == pytest.approx(1000.0, abs=0.01)
    assert float(running.variance) == pytest.approx(1.0, rel=0.01)

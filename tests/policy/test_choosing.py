"""Who chooses: a row's actions are its own whatever stands beside it, and baselines are what they say."""

import pytest
import torch
from scipy import stats

from dexctl.errors import DataError
from dexctl.policy.actor import Actor
from dexctl.policy.choosing import PolicyChooser, RandomChooser, ZeroChooser, exact_widths

ROWS, STEPS = 45, 6


def chooser(toy, rows, kind="lstm", greedy=False):
    actor = Actor(toy(kind), 20, seed=3)
    with torch.no_grad():
        actor.head.weight.mul_(100.0)
    return PolicyChooser(actor, ("fingertip_positions",), rows, greedy)


def experience():
    generator = torch.Generator().manual_seed(7)
    return torch.randn(STEPS, ROWS, 22, generator=generator), torch.rand(STEPS, ROWS, 20, generator=generator)


@pytest.mark.parametrize("kind", ["lstm", "feedforward"])
@pytest.mark.parametrize("rows", [[0], [44, 3], [*range(0, 45, 2)], [*range(33)]])
def test_a_row_chooses_the_same_beside_any_others(toy, kind, rows):
    observations, uniform = experience()
    together, few = chooser(toy, ROWS, kind), chooser(toy, len(rows), kind)
    everyone, some = torch.arange(ROWS), torch.arange(len(rows))
    for t in range(STEPS):
        all_bins = together.choose(observations[t], uniform[t], everyone)
        bins = few.choose(observations[t, rows], uniform[t, rows], some)
        assert torch.equal(all_bins[rows], bins)
    assert len(all_bins.unique(dim=0)) > ROWS // 2


class RoundsByRows(Actor):
    """One whose products come out otherwise below so many rows."""

    fewest = 8

    def logits(self, observations, state, fresh=None):
        logits, state = super().logits(observations, state, fresh)
        return logits + 1e-3 * (observations.shape[1] < self.fewest), state


def test_few_rows_are_padded_to_no_width_that_rounds_otherwise(toy):
    actor = RoundsByRows(toy("lstm"), 20, seed=3)
    with torch.no_grad():
        actor.head.weight.mul_(100.0)
    assert set(exact_widths(actor)) <= {8, 16, 32}
    observations, uniform = experience()
    one, many = (PolicyChooser(actor, (), rows, greedy=False) for rows in (1, 32))
    for t in range(STEPS):
        together = many.choose(observations[t, :32], uniform[t, :32], torch.arange(32))
        assert torch.equal(one.choose(observations[t, :1], uniform[t, :1], torch.arange(1)), together[:1])
    actor.fewest = 32
    assert exact_widths(actor) == (32,)


def test_a_row_that_waits_keeps_its_memory_and_a_reset_one_starts_anew(toy):
    observations, uniform = experience()
    one, other, fresh = chooser(toy, 3), chooser(toy, 3), chooser(toy, 3)
    everyone, some = torch.arange(3), torch.tensor([0, 2])
    for t in range(3):
        one.choose(observations[t, :3], uniform[t, :3], everyone)
        other.choose(observations[t, :3], uniform[t, :3], everyone)
    other.choose(observations[3, some], uniform[3, some], some)
    ours, theirs = (c.choose(observations[4, 1:2], uniform[4, 1:2], torch.tensor([1])) for c in (one, other))
    assert torch.equal(ours, theirs)
    other.reset(torch.tensor([0]))
    again, anew = (c.choose(observations[5, :1], uniform[5, :1], torch.tensor([0])) for c in (other, fresh))
    assert torch.equal(again, anew)


def test_a_policy_chooses_as_it_acts_in_training(toy):
    observations, uniform = experience()
    policy = chooser(toy, ROWS)
    actor, state = policy._actor, policy._actor.initial_state(ROWS)
    for t in range(STEPS):
        bins, _, state = actor.act(observations[t], state, uniform[t])
        assert torch.equal(policy.choose(observations[t], uniform[t], torch.arange(ROWS)), bins)


@pytest.mark.parametrize("greedy", [False, True])
def test_a_policy_that_gives_nan_chooses_nothing(toy, greedy):
    observations, uniform = experience()
    broken = chooser(toy, 3, greedy=greedy)
    with torch.no_grad():
        broken._actor.head.bias[7] = torch.nan
    with pytest.raises(DataError, match="not finite"):
        broken.choose(observations[0, :3], uniform[0, :3], torch.arange(3))


def test_a_greedy_policy_draws_nothing(toy):
    observations, uniform = experience()
    one, other = chooser(toy, ROWS, greedy=True), chooser(toy, ROWS, greedy=True)
    everyone = torch.arange(ROWS)
    assert torch.equal(
        one.choose(observations[0], uniform[0], everyone), other.choose(observations[0], uniform[1], everyone)
    )


def test_choosing_leaves_torch_s_threads_as_they_were(toy):
    before = torch.get_num_threads()
    observations, uniform = experience()
    chooser(toy, ROWS).choose(observations[0], uniform[0], torch.arange(ROWS))
    assert torch.get_num_threads() == before


def test_the_random_policy_takes_every_bin_as_often():
    uniform = torch.rand(5000, 20, generator=torch.Generator().manual_seed(1))
    bins = RandomChooser(11).choose(torch.empty(0), uniform, torch.arange(5000))
    assert (int(bins.min()), int(bins.max())) == (0, 10)
    assert stats.chisquare(torch.bincount(bins.flatten(), minlength=11).numpy()).pvalue > 1e-4


def test_the_zero_policy_tells_every_joint_to_stay():
    bins = ZeroChooser(11).choose(torch.empty(0), torch.rand(3, 20), torch.arange(3))
    assert torch.equal(bins, torch.full((3, 20), 5))

"""The losses of PPO: their gradients by finite differences, their clipping by hand."""

import pytest
import torch
from torch.distributions import Categorical

from dexctl.ppo.loss import normalized, policy_loss, value_loss

ROWS, ACTUATORS, BINS = 4, 2, 3
CLIP, ENTROPY = 0.2, 0.03


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(ROWS, ACTUATORS, BINS, generator=generator, dtype=torch.float64)
    bins = torch.randint(0, BINS, (ROWS, ACTUATORS), generator=generator)
    advantage = torch.randn(ROWS, generator=generator, dtype=torch.float64)
    old = Categorical(logits=logits).log_prob(bins) + 0.15 * torch.randn(
        ROWS, ACTUATORS, generator=generator, dtype=torch.float64
    )
    return logits, bins, old, advantage


def loss_of(logits, case, ratio_of, entropy=ENTROPY):
    _, bins, old, advantage = case
    return policy_loss(logits, bins, old, advantage, CLIP, entropy, ratio_of)


@pytest.mark.parametrize("ratio_of", ["joint", "coordinate"])
def test_gradients_are_finite_differences(case, ratio_of):
    logits = case[0].clone().requires_grad_()
    loss = loss_of(logits, case, ratio_of)
    (gradient,) = torch.autograd.grad(loss.loss, logits)
    step = 1e-6
    for place in torch.cartesian_prod(*map(torch.arange, logits.shape)).tolist():
        moved = [case[0].clone() for _ in range(2)]
        moved[0][tuple(place)] += step
        moved[1][tuple(place)] -= step
        up, down = (float(loss_of(one, case, ratio_of).loss) for one in moved)
        assert float(gradient[tuple(place)]) == pytest.approx((up - down) / (2 * step), abs=1e-7)
    assert 0.0 < float(loss.clip_share) < 1.0


def test_the_joint_surrogate_is_written_out(case):
    logits, bins, old, advantage = case
    expected = 0.0
    for row in range(ROWS):
        now = Categorical(logits=logits[row]).log_prob(bins[row]).sum()
        ratio = float(torch.exp(now - old[row].sum()))
        gain = float(advantage[row])
        expected -= min(ratio * gain, min(max(ratio, 1 - CLIP), 1 + CLIP) * gain) / ROWS
    entropy = float(Categorical(logits=logits).entropy().sum(dim=-1).mean())
    loss = loss_of(logits, case, "joint")
    assert float(loss.loss) == pytest.approx(expected - ENTROPY * entropy)
    assert float(loss.entropy) == pytest.approx(entropy)


def test_the_surrogate_by_coordinate_is_written_out(case):
    logits, bins, old, advantage = case
    ratios = torch.exp(Categorical(logits=logits).log_prob(bins) - old)
    expected = 0.0
    for row in range(ROWS):
        for ratio in ratios[row].tolist():
            gain = float(advantage[row])
            expected -= min(ratio * gain, min(max(ratio, 1 - CLIP), 1 + CLIP) * gain) / ROWS
    assert float(loss_of(logits, case, "coordinate", entropy=0.0).loss) == pytest.approx(expected)


def test_both_ratios_have_the_same_gradient_while_the_policy_is_the_old_one(case):
    logits, bins, _, advantage = case
    gradients = []
    for ratio_of in ("joint", "coordinate"):
        moving = logits.clone().requires_grad_()
        old = Categorical(logits=logits).log_prob(bins)
        loss = policy_loss(moving, bins, old, advantage, CLIP, 0.0, ratio_of)
        gradients.append(torch.autograd.grad(loss.loss, moving)[0])
        assert (float(loss.kl), float(loss.clip_share)) == (pytest.approx(0.0, abs=1e-12), 0.0)
    torch.testing.assert_close(*gradients)
    # It is the plain policy gradient: advantage times the gradient of the log-probability.
    moving = logits.clone().requires_grad_()
    plain = -(Categorical(logits=moving).log_prob(bins).sum(dim=-1) * advantage).mean()
    torch.testing.assert_close(gradients[0], torch.autograd.grad(plain, moving)[0])


@pytest.mark.parametrize(
    ("ratio", "gain", "pulls"), [(1.5, 1.0, False), (1.5, -1.0, True), (0.5, 1.0, True), (0.5, -1.0, False)]
)
def test_what_has_moved_far_enough_the_right_way_pulls_no_more(ratio, gain, pulls):
    logits = torch.zeros(1, 1, 2, dtype=torch.float64, requires_grad=True)
    old = torch.log(torch.tensor([[0.5 / ratio]], dtype=torch.float64))
    loss = policy_loss(logits, torch.tensor([[0]]), old, torch.tensor([gain], dtype=torch.float64), CLIP, 0.0)
    (gradient,) = torch.autograd.grad(loss.loss, logits)
    assert bool(gradient.any()) == pulls
    assert float(loss.clip_share) == 1.0


def test_the_divergence_is_that_of_two_categoricals():
    # Its estimate from samples of the old policy, against the sum over all actions.
    generator = torch.Generator().manual_seed(0)
    old, new = (Categorical(logits=0.3 * torch.randn(BINS, generator=generator)) for _ in range(2))
    torch.manual_seed(0)
    bins = old.sample((200_000, 1))
    loss = policy_loss(new.logits.expand(200_000, 1, BINS), bins, old.log_prob(bins), torch.zeros(200_000), 0.2, 0.0)
    exact = float(torch.distributions.kl_divergence(old, new))
    assert float(loss.kl) == pytest.approx(exact, rel=0.05)


def test_the_value_loss_is_half_the_squared_error():
    assert float(value_loss(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 2.0]))) == pytest.approx(1.0)


def test_advantages_are_normalized_over_their_minibatch():
    advantage = torch.randn(64, 4, generator=torch.Generator().manual_seed(1)) * 7 + 3
    normal = normalized(advantage, advantage.mean(), advantage.std(correction=0))
    assert float(normal.mean()) == pytest.approx(0.0, abs=1e-6)
    assert float(normal.std(correction=0)) == pytest.approx(1.0, abs=1e-5)
    five, nothing = torch.tensor(5.0), torch.tensor(0.0)
    assert torch.equal(normalized(torch.full((8, 4), 5.0), five, nothing), torch.zeros(8, 4))

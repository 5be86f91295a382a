"""Networks over time: a memory that runs straight, in chunks, and never over an episode's start."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dexctl.policy.actor import Actor, Critic, actor_shape, critic_shape
from dexctl.policy.network import Network, Shape

STEPS, ROWS = 24, 5
SHAPE = Shape("lstm", 7, (9, 8), 6, 4, "elu", 5.0)


def lively(network, seed=3):
    """The network with weights and statistics that matter, in place of those it starts with."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
        network.normalization.mean.normal_(generator=generator)
        network.normalization.variance.uniform_(0.5, 2.0, generator=generator)
    return network


def experience(fresh_share=0.2, seed=4):
    generator = torch.Generator().manual_seed(seed)
    observations = torch.randn(STEPS, ROWS, SHAPE.inputs, generator=generator)
    return observations, torch.rand(STEPS, ROWS, generator=generator) < fresh_share


def in_pieces(network, observations, fresh, lengths):
    """Outputs over stretches of these lengths, each from the memory that the last one left."""
    state = network.initial_state(ROWS)
    outputs, states, at = [], [], 0
    for length in lengths:
        states.append(state)
        output, state = network(observations[at : at + length], state, fresh[at : at + length])
        outputs.append(output)
        at += length
    return torch.cat(outputs), states, state


@given(st.lists(st.integers(1, 8), min_size=1, max_size=10), st.sampled_from([0.0, 0.2, 1.0]))
@torch.no_grad()
def test_any_cut_into_chunks_is_the_straight_run(lengths, fresh_share):
    lengths = [*lengths, STEPS]
    while sum(lengths) > STEPS:
        lengths[-1] -= sum(lengths) - STEPS
        if lengths[-1] <= 0:
            lengths.pop()
    network = lively(Network(SHAPE, 1.0, 0))
    observations, fresh = experience(fresh_share)
    straight, _, after = in_pieces(network, observations, fresh, [STEPS])
    chunked, _, after_chunks = in_pieces(network, observations, fresh, lengths)
    torch.testing.assert_close(chunked, straight, atol=1e-6, rtol=0.0)
    torch.testing.assert_close(after_chunks[1], after[1], atol=1e-5, rtol=0.0)


@torch.no_grad()
def test_a_chunk_from_its_stored_memory_is_its_part_of_the_straight_run():
    network = lively(Network(SHAPE, 1.0, 0))
    observations, fresh = experience()
    # Boundaries of episodes stand inside of the chunks, at their start and at their end.
    fresh[8, 0] = fresh[7, 1] = fresh[11, 2] = True
    straight, _, _ = in_pieces(network, observations, fresh, [STEPS])
    _, states, _ = in_pieces(network, observations, fresh, [4] * 6)
    # All chunks side by side, as the learner sees them.
    hidden, cell = (torch.cat([state[part] for state in states]) for part in (0, 1))
    side_by_side = observations.reshape(6, 4, ROWS, -1).transpose(0, 1).reshape(4, 6 * ROWS, -1)
    starts = fresh.reshape(6, 4, ROWS).transpose(0, 1).reshape(4, 6 * ROWS)
    outputs, _ = network(side_by_side, (hidden, cell), starts)
    again = outputs.reshape(4, 6, ROWS, -1).transpose(0, 1).reshape(STEPS, ROWS, -1)
    torch.testing.assert_close(again, straight, atol=1e-6, rtol=0.0)


@torch.no_grad()
def test_nothing_of_an_episode_reaches_the_next():
    network = lively(Network(SHAPE, 1.0, 0))
    observations, fresh = experience(0.0)
    fresh[10] = True
    other = observations.clone()
    other[:10] += 1.0
    straight, changed = (in_pieces(network, seen, fresh, [STEPS])[0] for seen in (observations, other))
    assert not torch.allclose(straight[:10], changed[:10])
    assert torch.equal(straight[10:], changed[10:])
    # Without the mark it does.
    fresh[10] = False
    reaching = in_pieces(network, other, fresh, [STEPS])[0]
    assert not torch.allclose(straight[10:], reaching[10:])


@torch.no_grad()
def test_the_memory_is_torch_s_own_lstm():
    network = lively(Network(SHAPE, 1.0, 0))
    observations, _ = experience()
    theirs = torch.nn.LSTM(SHAPE.hidden[-1], SHAPE.lstm)

    def reordered(weight):
        # Here: input, forget, output, candidate. Torch: input, forget, candidate, output.
        take, forget, show, candidate = weight.chunk(4)
        return torch.cat((take, forget, candidate, show))

    from_features, from_memory = reordered(network.gates.weight).split([SHAPE.hidden[-1], SHAPE.lstm], dim=1)
    theirs.weight_ih_l0.copy_(from_features)
    theirs.weight_hh_l0.copy_(from_memory)
    theirs.bias_ih_l0.copy_(reordered(network.gates.bias))
    theirs.bias_hh_l0.zero_()
    features = network.normalization(observations)
    for layer in network.dense:
        features = torch.nn.functional.elu(layer(features))
    expected = network.head(theirs(features)[0])
    output, _ = network(observations, network.initial_state(ROWS))
    torch.testing.assert_close(output, expected, atol=1e-5, rtol=1e-5)
    state, steps = network.initial_state(ROWS), []
    for seen in observations.split(1):
        step, state = network(seen, state)
        steps.append(step)
    torch.testing.assert_close(torch.cat(steps), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_feedforward_network_sees_each_step_by_itself():
    network = lively(Network(Shape("feedforward", 7, (9,), 0, 4, "relu", 5.0), 1.0, 0))
    observations, fresh = experience()
    output, state = network(observations, network.initial_state(ROWS), fresh)
    assert state[0].shape == (ROWS, 0)
    features = torch.relu(network.dense[0](network.normalization(observations)))
    torch.testing.assert_close(output, network.head(features))
    order = torch.randperm(STEPS, generator=torch.Generator().manual_seed(0))
    shuffled, _ = network(observations[order], network.initial_state(ROWS), fresh)
    torch.testing.assert_close(shuffled, output[order])


def test_a_new_network_is_orthogonal_with_open_forget_gates():
    network = Network(SHAPE, 0.01, 0)
    size = SHAPE.lstm
    for layer in network.dense:
        weight = layer.weight
        small = weight if weight.shape[0] <= weight.shape[1] else weight.T
        torch.testing.assert_close(small @ small.T, 2.0 * torch.eye(len(small)), atol=1e-5, rtol=0.0)
        assert not layer.bias.any()
    for weight in network.gates.weight.split([SHAPE.hidden[-1], size], dim=1):
        torch.testing.assert_close(weight.T @ weight, torch.eye(weight.shape[1]), atol=1e-5, rtol=0.0)
    bias = network.gates.bias
    assert torch.equal(bias[size : 2 * size], torch.ones(size))
    assert not bias[:size].any()
    assert not bias[2 * size :].any()
    torch.testing.assert_close(network.head.weight @ network.head.weight.T, 1e-4 * torch.eye(4))


def test_a_forget_gate_is_what_the_open_bias_opens():
    # With all else zero a cell keeps sigmoid(1) of itself a step.
    network = Network(SHAPE, 1.0, 0)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name != "gates.bias":
                parameter.zero_()
        cell = torch.ones(1, SHAPE.lstm)
        _, (_, after) = network(torch.zeros(1, 1, SHAPE.inputs), (torch.zeros_like(cell), cell))
    assert float(after[0, 0]) == pytest.approx(1 / (1 + math.exp(-1)))


def test_the_seed_makes_the_network(toy):
    first, second, other = (Actor(toy(), 20, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["dense.0.weight"], other["dense.0.weight"])


def test_the_paper_s_networks_have_the_paper_s_sizes(toy):
    paper = toy("lstm", "policy.actor.hidden=[1024]", "policy.actor.lstm=512")
    paper_critic = toy("lstm", "policy.critic.hidden=[1024]", "policy.critic.lstm=512")
    # Appendix D.1, one bias a gate.
    assert sum(p.numel() for p in Actor(paper, 20).parameters()) == 3_284_188
    assert sum(p.numel() for p in Critic(paper_critic).parameters()) == 3_236_353
    assert (actor_shape(paper, 20).inputs, actor_shape(paper, 20).outputs) == (22, 220)
    assert (critic_shape(paper_critic).inputs, critic_shape(paper_critic).outputs) == (85, 1)


@pytest.mark.parametrize("std", [0.0, 0.3, 0.8])
def test_a_new_policy_is_a_gaussian_over_the_bins_whatever_it_sees(toy, std):
    actor = Actor(toy("lstm", f"policy.initial_std={std}"), 20)
    logits, _ = actor.logits(torch.randn(1, 50, 22), actor.initial_state(50))
    probability = logits[0].softmax(dim=-1)
    values = torch.linspace(-1, 1, 11)
    expected = torch.ones(11) if std == 0.0 else torch.exp(-0.5 * (values / std) ** 2)
    torch.testing.assert_close(probability, (expected / expected.sum()).expand(50, 20, 11), atol=0.02, rtol=0.0)


@pytest.mark.parametrize("kind", ["lstm", "feedforward"])
def test_learning_in_bfloat16_is_learning_in_float_but_for_its_digits(toy, kind):
    actor = lively(Actor(toy(kind), 20))
    observations = torch.randn(6, 4, 22, generator=torch.Generator().manual_seed(0))
    fresh = torch.zeros(6, 4, dtype=torch.bool)
    exact, _ = actor.logits(observations, actor.initial_state(4), fresh)
    with torch.autocast("cpu", torch.bfloat16):
        rounded, _ = actor.logits(observations, actor.initial_state(4), fresh)
    rounded.float().sum().backward()
    assert all(bool(torch.isfinite(p.grad).all()) for p in actor.parameters())
    assert float((rounded.float() - exact).detach().abs().max()) < 0.1 * float(exact.detach().abs().max())

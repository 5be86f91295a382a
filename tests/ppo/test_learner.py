"""Learning: it improves, it repeats, it resumes, and it looks at no more than it may."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from dexctl.errors import ProtocolError
from dexctl.policy import checkpoint
from dexctl.ppo.learner import Update
from dexctl.profile.load import digest
from dexctl.reorient.environment import End

UPDATES = 25


class Bandit:
    """Episodes of one step: the right bin of the first coordinate is the sign of what is seen."""

    def cues(self, count, generator):
        return torch.randn(count, generator=generator)

    def observe(self, cue, clock):
        return torch.stack((cue, cue.square(), torch.ones_like(cue)), dim=1)

    def judge(self, bins, cue, clock):
        return (bins[:, 0] == torch.where(cue > 0, 2, 0)).float(), torch.ones_like(clock, dtype=torch.bool)


class Memory:
    """Episodes of four steps: what is seen in the first must be said in the last."""

    def cues(self, count, generator):
        return torch.randint(0, 2, (count,), generator=generator) * 2.0 - 1.0

    def observe(self, cue, clock):
        shown = torch.where(clock == 0, cue, 0.0)
        return torch.stack((shown, clock.float(), torch.zeros_like(cue)), dim=1)

    def judge(self, bins, cue, clock):
        over = clock == 3
        return (over & (bins[:, 0] == torch.where(cue > 0, 2, 0))).float(), over


def teach(learner, player, updates):
    """Share of episodes that ended well, update by update."""
    shares = []
    for _ in range(updates):
        arrays = player.play(learner)
        learner.add(arrays, 0)
        assert learner.ready
        learner.update()
        shares.append(arrays["reward"].sum() / (arrays["end"] > 0).sum())
    return shares


@pytest.mark.parametrize("kind", ["feedforward", "lstm"])
@pytest.mark.parametrize("ratio", ["joint", "coordinate"])
def test_it_learns_what_pays(toy, make_learner, make_player, kind, ratio):
    profile = toy(kind, f'ppo.ratio="{ratio}"')
    shares = teach(make_learner(profile), make_player(profile, Bandit()), UPDATES)
    assert shares[0] < 0.5
    assert np.mean(shares[-3:]) > 0.9


def test_an_lstm_learns_to_remember_and_a_feedforward_network_cannot(toy, make_learner, make_player):
    shares = {}
    for kind in ("lstm", "feedforward"):
        profile = toy(kind, "rollout.segment_steps=16", "ppo.batch_steps=512", "ppo.chunk_steps=8")
        shares[kind] = np.mean(teach(make_learner(profile), make_player(profile, Memory()), 2 * UPDATES)[-3:])
    assert shares["lstm"] > 0.9
    assert shares["feedforward"] < 0.65


def test_whole_episodes_are_learned_from_too(toy, make_learner, make_player):
    profile = toy("lstm", "ppo.whole_episodes=true", "rollout.segment_steps=16", "ppo.batch_steps=128")
    learner, player = make_learner(profile), make_player(profile, Memory())
    shares = []
    while len(shares) < 2 * UPDATES:
        arrays = player.play(learner)
        learner.add(arrays, 0)
        if learner.ready:
            learner.update()
            shares.append(arrays["reward"].sum() / (arrays["end"] > 0).sum())
    assert np.mean(shares[-3:]) > 0.9


def states(learner):
    return {name: value.clone() for name, value in learner.state().items()}


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("kind", ["feedforward", "lstm"])
def test_the_same_seed_learns_the_same_bits(toy, make_learner, made_up, kind):
    profile = toy(kind)
    learners = [make_learner(profile, seed) for seed in (3, 3, 4)]
    for seed in range(3):
        for learner in learners:
            learner.add(made_up(profile, seed), 0)
            learner.update()
    assert equal(states(learners[0]), states(learners[1]))
    assert not equal(states(learners[0]), states(learners[2]))


@pytest.mark.parametrize("kind", ["feedforward", "lstm"])
@pytest.mark.parametrize("adapted", [False, True])
def test_a_resumed_learner_goes_on_bit_by_bit(toy, make_learner, made_up, tmp_path, kind, adapted):
    band = ["ppo.kl_low=0.5", "ppo.kl_high=1.0", "ppo.learning_rate_max=0.05"] if adapted else []
    profile = toy(kind, *band)
    learner = make_learner(profile, 3)
    for seed in range(2):
        learner.add(made_up(profile, seed), 0)
        learner.update()
    path = tmp_path / checkpoint.name_of(learner.version)
    progress = checkpoint.Progress(
        version=learner.version, steps=learner.steps, seconds=1.0, learning_rate=learner.learning_rate
    )
    checkpoint.write(
        path, profile=profile, digest=digest(profile), progress=progress, tensors=learner.state(), program="1"
    )
    resumed = make_learner(profile, 3)
    resumed.restore(checkpoint.read(path))
    assert equal(states(learner), states(resumed))
    assert (resumed.version, resumed.steps) == (3, 2 * 256)
    assert resumed.learning_rate == learner.learning_rate
    assert (learner.learning_rate != profile.ppo.learning_rate) == adapted
    for seed in range(2, 4):
        for one in (learner, resumed):
            one.add(made_up(profile, seed), 0)
            one.update()
    assert equal(states(learner), states(resumed))


def test_a_new_run_may_begin_with_another_s_networks_alone(toy, make_learner, made_up, tmp_path):
    profile = toy()
    learner = make_learner(profile, 3)
    learner.add(made_up(profile), 0)
    learner.update()
    path = tmp_path / "old.safetensors"
    progress = checkpoint.Progress(version=2, steps=256, seconds=1.0, learning_rate=0.5)
    checkpoint.write(path, profile=profile, digest="", progress=progress, tensors=learner.state(), program="1")
    begun = make_learner(profile, 4)
    begun.begin_from(checkpoint.read(path))
    networks = {name: value for name, value in states(learner).items() if not name.startswith("adam.")}
    assert equal(states(begun), networks)
    assert (begun.version, begun.steps, begun.learning_rate) == (1, 0, profile.ppo.learning_rate)
    with pytest.raises(ProtocolError, match=r"policy\.critic\.activation"):
        make_learner(toy("feedforward", 'policy.critic.activation="relu"'), 4).begin_from(checkpoint.read(path))


def appraised(learner, arrays, worker=0):
    """The chunks that a segment becomes."""
    learner.add(arrays, worker)
    return learner._chunks[-1]


@pytest.mark.parametrize("kind", ["feedforward", "lstm"])
def test_value_targets_are_advantages_and_values_of_the_critic_run_straight(toy, make_learner, made_up, kind):
    profile = toy(kind)
    learner = make_learner(profile, 3)
    learner.add(made_up(profile, 0), 0)
    learner.update()
    first, second = made_up(profile, 1), made_up(profile, 2, first_fresh=False)
    # The second goes on where the first left: episodes that had ended start anew, the others go on.
    second["fresh"][0] = first["end"][-1] > 0
    chunks = [appraised(learner, arrays) for arrays in (first, second)]
    observations = torch.from_numpy(
        np.concatenate([first["critic_observation"][:-1], second["critic_observation"][:-1]])
    )
    fresh = torch.from_numpy(np.concatenate([first["fresh"], second["fresh"]]))
    with torch.no_grad():
        value, _ = learner.critic(observations, learner.critic.initial_state(32), fresh)
    value = learner.value_scale.inverse(value[..., 0])
    for part, half in zip(chunks, value.split(8), strict=True):
        expected = half.reshape(2, 4, 32).transpose(1, 2).reshape(-1, 4)
        torch.testing.assert_close(part.value_target - part.advantage, expected, atol=1e-4, rtol=1e-4)


def test_two_workers_memories_are_two(toy, make_learner, made_up):
    profile = toy("lstm")
    learner, other = make_learner(profile), make_learner(profile)
    learner.add(made_up(profile, 0), 0)
    other.add(made_up(profile, 0), 1)
    arrays = made_up(profile, 1, first_fresh=False)
    for seed in (0, 1):
        # One's does not reach into the other's segments.
        ours = appraised(learner, arrays, worker=seed)
        theirs = appraised(other, arrays, worker=1 - seed)
        assert torch.equal(ours.value_target, theirs.value_target)
    assert not torch.equal(appraised(learner, arrays, 0).critic_hidden, appraised(learner, arrays, 5).critic_hidden)


def test_a_worker_that_was_away_begins_with_an_empty_memory(toy, make_learner, made_up):
    profile = toy("lstm")
    learner, fresh = make_learner(profile), make_learner(profile)
    first, second = made_up(profile, 0), made_up(profile, 1, first_fresh=False)
    learner.add(first, 0)
    learner.forget(0)
    fresh.add(first, 1)
    assert torch.equal(appraised(learner, second, 0).critic_hidden, appraised(fresh, second, 0).critic_hidden)


def test_an_episode_that_was_cut_off_with_its_worker_is_not_sewn_to_another(toy, make_learner, made_up):
    profile = toy("lstm", "ppo.whole_episodes=true")
    learner, fresh = make_learner(profile), make_learner(profile)
    # Nothing ends in the first segment, everything in the second.
    first, second = made_up(profile, 0, ends=0.0), made_up(profile, 1, ends=1.0)
    learner.add(first, 0)
    assert learner.gathered_steps == 0
    learner.forget(0)
    fresh.add(first, 1)
    ours, theirs = (appraised(one, second, 0) for one in (learner, fresh))
    assert learner.gathered_steps == 256
    assert torch.equal(ours.advantage, theirs.advantage)


def test_chunks_that_waited_for_their_episode_are_as_old_as_their_policy(toy, make_learner, made_up):
    learner = make_learner(toy("lstm", "ppo.whole_episodes=true", "ppo.max_staleness=2"))
    for version in (1, 2, 3):
        learner.version = version
        learner.add(made_up(learner.profile, version, ends=0.0), 0, version)
    learner.version = 4
    learner.add(made_up(learner.profile, 4, ends=1.0), 0, 4)
    gathered = learner.take()
    # Of 4 segments with 256 transitions each the first is 3 updates behind.
    assert (dict(gathered.staleness), gathered.dropped_steps) == ({2: 256, 1: 256, 0: 256}, 256)
    assert sum(chunks.num_steps for chunks in gathered.chunks) == 3 * 256


def test_what_grows_too_old_during_an_update_is_dropped_after_it(toy, make_learner, made_up):
    learner = make_learner(toy("lstm", "ppo.max_staleness=1"))
    learner.add(made_up(learner.profile, 0), 0)
    learner.update()
    learner.add(made_up(learner.profile, 1), 0, learner.version - 1)
    assert learner.gathered_steps == 256
    learner.version += 1
    learner.settle()
    assert learner.gathered_steps == 0
    assert learner.take().dropped_steps == 256


def test_fewer_chunks_than_minibatches_are_as_many_minibatches(toy, make_learner, made_up):
    profile = toy("lstm", "ppo.whole_episodes=true", "ppo.minibatches=32", "ppo.batch_steps=512")
    learner = make_learner(profile)
    arrays = made_up(profile, 0, ends=0.0)
    arrays["end"][7, :3] = End.DROP
    learner.add(arrays, 0)
    assert learner.gathered_steps == 24
    update = learner.update()
    assert all(math.isfinite(value) for value in dataclasses.asdict(update).values())
    assert all(bool(torch.isfinite(value).all()) for value in learner.state().values())


def test_the_first_segment_tells_the_scale_of_the_inputs_and_none_is_forgotten(toy, make_learner, made_up):
    profile = toy()
    learner = make_learner(profile)
    segments = [made_up(profile, seed) for seed in range(3)]
    for arrays in segments:
        arrays["actor_observation"] += 100.0
    learner.add(segments[0], 0)
    assert float(learner.actor.normalization.mean.mean()) == pytest.approx(100.0, abs=0.5)
    before = learner.actor.normalization.mean.clone()
    learner.add(segments[1], 0)
    learner.add(segments[2], 1)
    # What workers act with does not change under experience that is being gathered.
    assert torch.equal(learner.actor.normalization.mean, before)
    learner.update()
    whole = np.concatenate([arrays["actor_observation"].reshape(-1, 3) for arrays in segments])
    np.testing.assert_allclose(learner.actor.normalization.mean.numpy(), whole.mean(axis=0), rtol=1e-5)
    assert int(learner.actor.normalization.count) == len(whole)


def test_an_update_tells_what_it_did_in_finite_numbers(toy, make_learner, made_up):
    profile = toy()
    learner = make_learner(profile)
    arrays = made_up(profile)
    arrays["log_probability"][:] = -math.log(3)
    learner.add(arrays, 0)
    update = learner.update()
    assert all(math.isfinite(value) for value in dataclasses.asdict(update).values())
    assert (update.steps, learner.steps, learner.version) == (256, 256, 2)
    assert 0.0 < update.entropy <= 2 * math.log(3) + 1e-5
    assert update.kl >= 0.0
    assert isinstance(update, Update)


def test_explained_variance_is_one_for_a_critic_that_knows_all(toy, make_learner, made_up):
    profile = toy("feedforward", "ppo.discount=0.0", "ppo.value_weight=1.0", "ppo.epochs=40.0")
    learner = make_learner(profile)
    explained = []
    for _ in range(6):
        arrays = made_up(profile, 7)
        # The reward is what the critic sees: with no discount its value can be known.
        arrays["reward"][:] = arrays["critic_observation"][:-1, :, 0]
        learner.add(arrays, 0)
        explained.append(learner.update().explained_variance)
    assert explained[0] < 0.5
    assert explained[-1] > 0.9


@pytest.mark.parametrize(("epochs", "batches"), [(0.5, 1), (1.0, 2), (1.5, 3), (4.0, 8)])
def test_epochs_are_counted_in_whole_minibatches(toy, make_learner, made_up, epochs, batches):
    profile = toy("feedforward", f"ppo.epochs={epochs}")
    learner = make_learner(profile)
    learner.add(made_up(profile), 0)
    asked = []
    learner.update(lambda: bool(asked.append(1)))
    assert len(asked) == batches


def test_every_chunk_is_seen_once_an_epoch(toy, make_learner, made_up):
    profile = toy("feedforward", "ppo.epochs=3.0")
    learner = make_learner(profile)
    learner.add(made_up(profile), 0)
    seen = []
    learn = learner._learn
    learner._learn = lambda piece, stop: (seen.append(piece.chunks.advantage[:, 0].tolist()), learn(piece, stop))[1]
    whole = sorted(learner._chunks[0].advantage[:, 0].tolist())
    learner.update()
    epochs = [sorted(seen[i] + seen[i + 1]) for i in (0, 2, 4)]
    assert epochs == [whole] * 3
    assert seen[0] != seen[2]


def test_a_stop_ends_an_update_between_minibatches(toy, make_learner, made_up):
    profile = toy()
    learner = make_learner(profile)
    learner.add(made_up(profile), 0)
    assert learner.update(lambda: True).steps == 256
    assert learner.version == 2
    assert learner.gathered_steps == 0


@pytest.mark.parametrize(
    ("low", "high", "expected"), [(0.0, 0.0, 0.01), (10.0, 20.0, 0.015), (1e-9, 1e-8, 0.01 / 1.5), (1e-9, 10.0, 0.01)]
)
def test_the_learning_rate_follows_the_divergence(toy, make_learner, made_up, low, high, expected):
    rates = [f"ppo.kl_low={low}", f"ppo.kl_high={high}", "ppo.learning_rate_max=0.1"]
    profile = toy("feedforward", *rates, "ppo.learning_rate_min=1e-5")
    learner = make_learner(profile)
    learner.add(made_up(profile), 0)
    assert learner.update().learning_rate == pytest.approx(expected)


def test_the_learning_rate_stays_within_its_bounds(toy, make_learner, made_up):
    for low, high, bound in ((1e3, 1e4, 0.02), (1e-9, 1e-8, 0.008)):
        profile = toy(
            "feedforward",
            *(f"ppo.kl_low={low}", f"ppo.kl_high={high}"),
            *("ppo.learning_rate_min=0.008", "ppo.learning_rate_max=0.02"),
        )
        learner = make_learner(profile)
        for seed in range(3):
            learner.add(made_up(profile, seed), 0)
            learner.update()
        assert learner.learning_rate == pytest.approx(bound)


def test_batches_of_two_workers_are_one(toy, make_learner, made_up):
    profile = toy("feedforward", "ppo.batch_steps=512")
    learner = make_learner(profile)
    learner.add(made_up(profile, 0), 0)
    assert not learner.ready
    learner.add(made_up(profile, 1), 1)
    assert learner.ready
    assert learner.update().steps == 512


def test_an_end_that_pays_counts_more_than_a_cut_that_does_not(toy, make_learner, made_up):
    # The sign of the advantage at a drop that costs: taking that bin again becomes less likely.
    profile = toy("feedforward", "ppo.entropy=0.0")
    learner = make_learner(profile)
    arrays = made_up(profile, 1, ends=0.0)
    arrays["bins"][..., 0] = np.random.default_rng(0).integers(0, 3, arrays["bins"].shape[:2])
    arrays["reward"][:] = np.where(arrays["bins"][..., 0] == 1, -5.0, 0.0)
    arrays["end"][:] = End.DROP
    arrays["fresh"][:] = True
    learner.add(arrays, 0)
    learner.update()
    observation = torch.from_numpy(arrays["actor_observation"][0])
    with torch.no_grad():
        logits, _ = learner.actor.logits(observation[None], learner.actor.initial_state(32))
    chance = logits[0].softmax(dim=-1)[:, 0].mean(dim=0)
    assert float(chance[1]) < 0.3
    assert min(float(chance[0]), float(chance[2])) > 0.34

"""Segments: what was seen, remembered, done and paid stands in the same step, whatever the threads."""

import itertools

import numpy as np
import pytest
import torch

from dexctl import rotation
from dexctl.policy import distribution
from dexctl.reorient.environment import End
from dexctl.reorient.observation import sizes, total_size
from dexctl.rollout.collector import Collector

SEGMENTS = 3


def collected(profile, seed=1, worker=0, segments=SEGMENTS):
    """Consecutive segments of a collector whose policy has weights that matter, and the collector."""
    collector = Collector(profile, seed, worker)
    with torch.no_grad():
        collector.actor.head.weight.mul_(100.0)
    return [collector.collect() for _ in range(segments)], collector


def whole(segments, name):
    """One array over all segments, as a tensor."""
    parts = [segment[name][:-1] if name == "critic_observation" else segment[name] for segment in segments]
    return torch.from_numpy(np.concatenate(parts))


def seen(profile, segments, name):
    """One observation of the critic's over time."""
    observe = profile.policy.critic.observe
    before = total_size(observe[: observe.index(name)], profile)
    return whole(segments, "critic_observation")[..., before : before + sizes(profile)[name]]


def log_probability(actor, segments, state, observations, fresh):
    logits, state = actor.logits(observations, state, fresh)
    bins = whole(segments, "bins").long()[: len(observations)]
    return distribution.log_probability_of(torch.log_softmax(logits, dim=-1), bins), state


def test_who_joins_later_lives_other_episodes(toy):
    at_first, again, later = (Collector(toy(), 1, 0, updates=updates).collect() for updates in (0, 0, 5))
    assert np.array_equal(at_first["critic_observation"], again["critic_observation"])
    # Of the first step, before any action.
    assert not np.array_equal(at_first["critic_observation"][0], later["critic_observation"][0])


@pytest.mark.parametrize("kind", ["lstm", "feedforward"])
@torch.no_grad()
def test_stored_actions_are_those_that_the_policy_took_on_what_is_stored(toy, kind):
    segments, collector = collected(toy(kind))
    actor = collector.actor
    observations, fresh = whole(segments, "actor_observation"), whole(segments, "fresh")
    again, _ = log_probability(actor, segments, actor.initial_state(6), observations, fresh)
    torch.testing.assert_close(again, whole(segments, "log_probability"), atol=2e-5, rtol=0.0)
    assert bool(fresh[1:].any())
    # One step aside nothing fits.
    bins = whole(segments, "bins").long()
    logits, _ = actor.logits(observations, actor.initial_state(6), fresh)
    shifted = distribution.log_probability_of(torch.log_softmax(logits[:-1], dim=-1), bins[1:])
    assert float((shifted - whole(segments, "log_probability")[1:]).abs().max()) > 0.01


@torch.no_grad()
def test_each_chunk_s_stored_memory_is_the_one_it_was_acted_from(toy):
    segments, collector = collected(toy())
    actor = collector.actor
    for segment in segments:
        for chunk in range(4):
            at = slice(4 * chunk, 4 * chunk + 4)
            state = torch.from_numpy(segment["hidden"][chunk]), torch.from_numpy(segment["cell"][chunk])
            observations, fresh = (torch.from_numpy(segment[name][at]) for name in ("actor_observation", "fresh"))
            logits, _ = actor.logits(observations, state, fresh)
            again = distribution.log_probability_of(
                torch.log_softmax(logits, dim=-1), torch.from_numpy(segment["bins"][at]).long()
            )
            stored = torch.from_numpy(segment["log_probability"][at])
            torch.testing.assert_close(again, stored, atol=2e-5, rtol=0.0)
    # The memory is not empty but where an episode starts with the chunk.
    starts = whole(segments, "fresh")[::4]
    empty = (whole(segments, "hidden") == 0).all(dim=-1)
    assert torch.equal(empty, starts)


def test_an_episode_starts_where_the_one_before_ended(toy):
    segments, _ = collected(toy())
    fresh, end = whole(segments, "fresh"), whole(segments, "end")
    assert bool(fresh[0].all())
    assert torch.equal(fresh[1:], end[:-1] != End.RUNNING)
    assert {End.TIMEOUT, End.FULL} <= set(end.unique().tolist())


def test_what_a_step_paid_is_what_the_block_turned_between_two_observations(toy):
    profile = toy()
    segments, _ = collected(profile)
    angle = rotation.angle(seen(profile, segments, "relative_target_orientation").double())
    reward, end = whole(segments, "reward"), whole(segments, "end")
    turned = angle[:-1] - angle[1:]
    reached = (reward > 0.5 * profile.reward.goal)[:-1]
    plain = (end[:-1] == End.RUNNING) & ~reached
    torch.testing.assert_close(reward[:-1][plain].double(), turned[plain], atol=1e-3, rtol=0.0)
    assert bool(reached.any())
    # Where a goal was reached the next observation is of the next goal: the pay is not of the jump.
    assert float((reward[:-1][reached] - profile.reward.goal).abs().max()) < 1.0


def test_goals_in_a_row_are_those_that_the_pay_tells(toy):
    profile = toy()
    segments, _ = collected(profile)
    reward, end, goals = (whole(segments, name) for name in ("reward", "end", "goals"))
    count = torch.zeros(6, dtype=torch.int64)
    for t in range(len(reward)):
        count += reward[t] > 0.5 * profile.reward.goal
        assert torch.equal(goals[t].long(), count)
        count[end[t] != End.RUNNING] = 0
    assert int(goals.max()) == 2


def test_a_segment_ends_with_the_state_that_the_next_begins_with(toy):
    segments, _ = collected(toy())
    for one, following in itertools.pairwise(segments):
        assert np.array_equal(one["critic_observation"][-1], following["critic_observation"][0])


def test_the_policy_sees_a_part_of_what_the_critic_sees(toy):
    profile = toy()
    segments, _ = collected(profile)
    parts = [seen(profile, segments, name) for name in profile.policy.actor.observe]
    assert torch.equal(whole(segments, "actor_observation"), torch.cat(parts, dim=-1))


@pytest.mark.parametrize("bank", [8, 0])
def test_any_number_of_threads_collects_the_same_bits(toy, bank):
    runs = [
        collected(
            toy("lstm", f"physics.threads={threads}", f"task.start_bank={bank}", f"task.start_refresh={bank // 4}")
        )
        for threads in (1, 2)
    ]
    for one, other in zip(runs[0][0], runs[1][0], strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in one)


def test_workers_and_seeds_collect_other_experience(toy):
    first, *others = (
        collected(toy(), seed, worker, segments=1)[0][0]["actor_observation"]
        for seed, worker in ((1, 0), (1, 1), (2, 0))
    )
    for other in others:
        assert not (first == other).all(axis=(0, 2)).any()


def test_a_segment_is_not_changed_by_the_next(toy):
    profile = toy()
    collector = Collector(profile, 1, 0)
    first = collector.collect()
    copy = {name: array.copy() for name, array in first.items()}
    for array in first.values():
        array.flags.writeable = False
    collector.collect()
    assert all(np.array_equal(first[name], copy[name]) for name in copy)


def test_segments_are_as_the_layout_says_and_finite(toy):
    segments, collector = collected(toy(), segments=1)
    frames = collector.layout.frames(segments[0])
    again = collector.layout.arrays_of(frames)
    assert all(np.array_equal(again[name], segments[0][name]) for name in again)


def test_first_episodes_do_not_all_time_out_together(toy):
    profile = toy("lstm", "task.success_rad=0.01", "task.goal_timeout_s=1.28", "rollout.environments=24")
    segments, _ = collected(profile, segments=1)
    end = torch.from_numpy(segments[0]["end"])
    when = [int(column.nonzero()[0]) for column in end.T if bool((column == End.TIMEOUT).any())]
    assert len(set(when)) > 6


def test_clocks_tell_how_the_time_was_spent(toy):
    _, collector = collected(toy(), segments=1)
    clocks = collector.clocks
    assert 0 < clocks.physics < clocks.total
    assert 0 < clocks.inference < clocks.total
    assert clocks.physics + clocks.inference < clocks.total


def test_a_simulation_that_breaks_ends_its_episode_and_the_segment_stays_finite(toy):
    collector = Collector(toy(), 1, 0)
    collector.collect()
    collector.physics.applied_force[2, -1, 0] = float("nan")
    segment = collector.collect()
    collector.layout.arrays_of(collector.layout.frames(segment))
    assert segment["end"][0].tolist().count(End.ERROR) == 1
    assert segment["end"][0, 2] == End.ERROR
    assert segment["fresh"][1, 2]
    assert collector.physics.failures == 1

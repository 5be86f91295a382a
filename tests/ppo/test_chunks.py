"""Chunks: every step once, in its place, with the advantages of the whole stream it came in."""

import dataclasses

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dexctl.ppo.batch import by_chunk, join
from dexctl.ppo.episodes import Appraised, EpisodeStream, advantages, chunks_of
from dexctl.profile.load import load
from dexctl.reorient.environment import End

PPO = load("block", ["ppo.chunk_steps=4"], {}).profile.ppo
STEPS, ROWS, HIDDEN = 8, 3, 2
BOUNDARY = torch.tensor([End.RUNNING, End.DROP, End.TIMEOUT, End.FULL, End.ERROR])


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 4), st.booleans())
def test_each_chunk_is_a_stretch_of_one_environment(chunks, length, rows, wide):
    steps = torch.stack(torch.meshgrid(torch.arange(chunks * length), torch.arange(rows), indexing="ij"), dim=-1)
    cut = by_chunk(steps if wide else steps[..., 0], length)
    assert cut.shape == (chunks * rows, length, 2) if wide else (chunks * rows, length)
    times = cut[..., 0] if wide else cut
    assert torch.equal(times, times[:, :1] + torch.arange(length))
    assert sorted(times[:, 0].tolist()) == sorted(c * length for c in range(chunks) for _ in range(rows))
    if wide:
        assert bool((cut[..., 1] == cut[:, :1, 1]).all())


def stream_of(seed, segments, ends=0.12):
    """Segments of a worker that know where they are: each number says segment, step and environment."""
    generator = torch.Generator().manual_seed(seed)
    total = segments * STEPS
    end = BOUNDARY[torch.randint(1, 5, (total, ROWS), generator=generator)] * (
        torch.rand(total, ROWS, generator=generator) < ends
    )
    fresh = torch.cat((torch.ones(1, ROWS, dtype=torch.bool), end[:-1] > 0))
    place = (torch.arange(total)[:, None] * ROWS + torch.arange(ROWS)).float()
    reward, value = (torch.randn(total, ROWS, generator=generator) for _ in range(2))
    final = torch.randn(segments, ROWS, generator=generator)
    appraised = []
    for index in range(segments):
        at = slice(index * STEPS, (index + 1) * STEPS)
        last = torch.full((1, ROWS), -1.0)
        # The memory at a chunk's start says which step it was kept at.
        kept = place[at].reshape(STEPS // PPO.chunk_steps, PPO.chunk_steps, ROWS)[:, 0, :, None].expand(-1, -1, HIDDEN)
        segment = {
            "actor_observation": place[at].unsqueeze(-1),
            "critic_observation": torch.cat((place[at], last)).unsqueeze(-1),
            "bins": torch.zeros(STEPS, ROWS, 2, dtype=torch.uint8),
            "log_probability": place[at].unsqueeze(-1).expand(-1, -1, 2),
            "reward": reward[at],
            "fresh": fresh[at],
            "end": end[at],
            "hidden": kept,
            "cell": kept + 0.25,
        }
        following = value[(index + 1) * STEPS] if index + 1 < segments else final[index]
        appraised.append(Appraised(segment, 1, value[at], following, kept + 0.5, kept + 0.75))
    return appraised, end


@pytest.mark.parametrize("bootstrap", [True, False])
def test_a_chunk_holds_what_belongs_together(bootstrap):
    ppo = msgspec.structs.replace(PPO, bootstrap_timeouts=bootstrap)
    (one,), _ = stream_of(1, 1)
    advantage = advantages([one], ppo)
    chunks = chunks_of(one, advantage, ppo)
    assert (len(chunks), chunks.num_steps) == (STEPS // 4 * ROWS, STEPS * ROWS)
    place = chunks.actor_observation[..., 0].long()
    step, row = place // ROWS, place % ROWS
    for values, of_steps in (
        (chunks.critic_observation[..., 0], one.segment["actor_observation"][..., 0]),
        (chunks.advantage, advantage),
        (chunks.value_target, advantage + one.value_TN),
        (chunks.fresh, one.segment["fresh"]),
        (chunks.log_probability[..., 1], one.segment["log_probability"][..., 1]),
    ):
        assert torch.equal(values, of_steps[step, row])
    for kept, fraction in ((chunks.hidden, 0.0), (chunks.cell, 0.25), (chunks.critic_hidden, 0.5)):
        assert torch.equal(kept, (place[:, :1] + fraction).expand(-1, HIDDEN))
    assert torch.equal(chunks.critic_cell, (place[:, :1] + 0.75).expand(-1, HIDDEN))


def test_picking_and_joining_keep_every_field_in_step():
    (one,), _ = stream_of(1, 1)
    chunks = chunks_of(one, advantages([one], PPO), PPO)
    index = torch.tensor([4, 0])
    picked = chunks.pick(index)
    both = join([picked, chunks])
    for field in dataclasses.fields(chunks):
        value = getattr(chunks, field.name)
        assert torch.equal(getattr(both, field.name), torch.cat((value[index], value)))


def test_a_timeout_and_a_full_hand_and_an_error_are_cut_not_ended():
    (one,), _ = stream_of(1, 1, ends=0.0)
    for end in BOUNDARY[1:]:
        one.segment["end"][3, 0] = end
        cut, ended = (
            advantages([one], msgspec.structs.replace(PPO, bootstrap_timeouts=bootstrap)) for bootstrap in (True, False)
        )
        gain = PPO.discount * one.value_TN[3, 0] * (end != End.DROP)
        torch.testing.assert_close(cut[3, 0] - ended[3, 0], gain)
        assert torch.equal(cut[:, 1:], ended[:, 1:])


@given(st.integers(0, 10_000), st.integers(1, 6), st.sampled_from([0.02, 0.12, 0.5]))
def test_whole_episodes_give_each_chunk_once_with_the_advantages_of_the_whole_stream(seed, segments, ends):
    appraised, end = stream_of(seed, segments, ends)
    everything = advantages(appraised, PPO)
    stream, given_out = EpisodeStream(PPO), []
    for index, one in enumerate(appraised):
        for chunks in stream.add(one):
            places = chunks.actor_observation[..., 0].long()
            step, row = places // ROWS, places % ROWS
            # Nothing is given out before all of its steps belong to episodes that have ended by now.
            seen = end[: (index + 1) * STEPS]
            assert all(bool((seen[s[-1] :, r[0]] > 0).any()) for s, r in zip(step, row, strict=True))
            torch.testing.assert_close(chunks.advantage, everything[step, row], atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(
                chunks.value_target - chunks.advantage, torch.cat([a.value_TN for a in appraised])[step, row]
            )
            given_out += places.flatten().tolist()
    assert len(given_out) == len(set(given_out))
    # What is missing are chunks that reach into an episode still running.
    expected = 0
    for row in range(ROWS):
        last = np.flatnonzero(end[:, row].numpy() > 0)
        expected += (last[-1] + 1) // PPO.chunk_steps * PPO.chunk_steps if len(last) else 0
    assert len(given_out) == expected


def test_segments_whose_episodes_have_all_ended_are_let_go():
    appraised, _ = stream_of(3, 12, ends=0.5)
    stream = EpisodeStream(PPO)
    for one in appraised:
        stream.add(one)
        assert len(stream._held) <= 3

"""From segments with values to chunks with advantages: at once, or when their episodes are whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from dexctl.ppo.advantage import generalized_advantage
from dexctl.ppo.batch import Chunks, by_chunk
from dexctl.profile import schema
from dexctl.reorient.environment import End

# T time, N environments, C chunks of a segment, H size of the critic's LSTM.


@dataclasses.dataclass(frozen=True)
class Appraised:
    """A segment and the values of its states.

    Attributes:
        segment: arrays as ``rollout/segment.py`` names them.
        version: of the policy that acted.
        value_TN: of the states acted in; final_value_N: of the state that the segment leaves.
        critic_hidden, critic_cell: (C, N, H) the critic's memory at the start of each chunk.
    """

    segment: Mapping[str, Tensor]
    version: int
    value_TN: Tensor
    final_value_N: Tensor
    critic_hidden: Tensor
    critic_cell: Tensor


def advantages(stream: Sequence[Appraised], ppo: schema.PPO) -> Tensor:
    """Advantages (T, N) over consecutive segments of one worker, T the steps of all of them."""
    end_TN = torch.cat([one.segment["end"] for one in stream])
    cut = (end_TN == End.TIMEOUT) | (end_TN == End.FULL) | (end_TN == End.ERROR)
    return generalized_advantage(
        torch.cat([one.segment["reward"] for one in stream]),
        torch.cat([one.value_TN for one in stream]),
        stream[-1].final_value_N,
        end_TN != End.RUNNING,
        cut & ppo.bootstrap_timeouts,
        ppo.discount,
        ppo.gae_lambda,
    )


def chunks_of(one: Appraised, advantage_TN: Tensor, ppo: schema.PPO) -> Chunks:
    """All chunks of a segment, with its advantages (T, N)."""

    def chunked(steps: Tensor) -> Tensor:
        return by_chunk(steps, ppo.chunk_steps)

    segment = one.segment
    hidden = segment["hidden"].flatten(0, 1)
    return Chunks(
        actor_observation=chunked(segment["actor_observation"]),
        critic_observation=chunked(segment["critic_observation"][:-1]),
        bins=chunked(segment["bins"]),
        log_probability=chunked(segment["log_probability"]),
        advantage=chunked(advantage_TN),
        value_target=chunked(advantage_TN + one.value_TN),
        fresh=chunked(segment["fresh"]),
        version=torch.full((len(hidden),), one.version, device=hidden.device),
        hidden=hidden,
        cell=segment["cell"].flatten(0, 1),
        critic_hidden=one.critic_hidden.flatten(0, 1),
        critic_cell=one.critic_cell.flatten(0, 1),
    )


class EpisodeStream:
    """One worker's segments, held back until the episodes in them have ended (section 4.3).

    A chunk is given out once, when every step of it belongs to an episode that has ended; its
    advantages then look to the end of the episode, however many segments that is away.
    """

    def __init__(self, ppo: schema.PPO) -> None:
        self._ppo = ppo
        self._held: list[Appraised] = []
        self._given: list[Tensor] = []

    def add(self, appraised: Appraised) -> list[Chunks]:
        """Takes the worker's next segment; gives the chunks that have become whole."""
        steps, count = appraised.value_TN.shape
        device = appraised.value_TN.device
        self._held.append(appraised)
        self._given.append(torch.zeros(steps // self._ppo.chunk_steps, count, dtype=torch.bool, device=device))
        advantage = advantages(self._held, self._ppo).split(steps)
        ended = torch.cat([one.segment["end"] for one in self._held]) != End.RUNNING
        # The last ended step of each column, -1 where none has.
        index = torch.arange(1, len(ended) + 1, device=device).unsqueeze(-1)
        last_N = (ended * index).amax(dim=0) - 1
        given_out = []
        for position, one in enumerate(self._held):
            number = torch.arange(1, len(self._given[position]) + 1, device=device)
            chunk_ends = position * steps + self._ppo.chunk_steps * number - 1
            whole = chunk_ends.unsqueeze(-1) <= last_N
            now = whole & ~self._given[position]
            self._given[position] = whole | self._given[position]
            chunks = chunks_of(one, advantage[position], self._ppo)
            given_out.append(chunks.pick(torch.nonzero(now.flatten()).squeeze(1)))
        while self._given and bool(self._given[0].all()):
            del self._held[0], self._given[0]
        return given_out

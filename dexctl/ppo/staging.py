"""What is done to a segment before it can be learned from, beside the learning itself.

Values come from a copy of the critic that changes between updates only, so that segments may be
staged while an update runs.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from dexctl.policy.actor import Critic
from dexctl.policy.network import State
from dexctl.policy.normalization import RunningNormalization
from dexctl.ppo.batch import Chunks
from dexctl.ppo.episodes import Appraised, EpisodeStream, advantages, chunks_of
from dexctl.profile import schema
from dexctl.reorient.environment import End


class Stager:
    """Turns segments into chunks with values and advantages; those of one worker come in order."""

    def __init__(self, ppo: schema.PPO, critic: Critic, value_scale: RunningNormalization) -> None:
        self._ppo = ppo
        self._critic = copy.deepcopy(critic)
        self._value_scale = copy.deepcopy(value_scale)
        self._critic_state: dict[int, State] = {}
        self._streams: dict[int, EpisodeStream] = {}

    def follow(self, critic: Critic, value_scale: RunningNormalization) -> None:
        """Values are those of this critic from now on."""
        self._critic.load_state_dict(critic.state_dict())
        self._value_scale.load_state_dict(value_scale.state_dict())

    def stage(self, segment: Mapping[str, Tensor], worker: int, version: int) -> list[Chunks]:
        """The chunks that can be learned from now that a segment (``rollout/segment.py``) has come.

        Args:
            version: of the policy that acted in it.
        """
        appraised = self._appraise(segment, worker, version)
        if self._ppo.whole_episodes:
            stream = self._streams.setdefault(worker, EpisodeStream(self._ppo))
            return [chunks for chunks in stream.add(appraised) if len(chunks)]
        return [chunks_of(appraised, advantages([appraised], self._ppo), self._ppo)]

    def forget(self, worker: int) -> None:
        """Drops what is kept between a worker's segments: its next one does not follow on its last."""
        self._critic_state.pop(worker, None)
        self._streams.pop(worker, None)

    @torch.no_grad()
    def _appraise(self, segment: Mapping[str, Tensor], worker: int, version: int) -> Appraised:
        """The value of every state of a segment, and the critic's memory at the start of each chunk."""
        chunk_steps = self._ppo.chunk_steps
        fresh_TN, end_TN = segment["fresh"], segment["end"]
        observation = segment["critic_observation"]
        values, states = [], []
        state = self._critic_state.get(worker) or self._critic.initial_state(observation.shape[1])
        for start in range(0, len(fresh_TN), chunk_steps):
            states.append(state)
            stop = start + chunk_steps
            value, state = self._critic(observation[start:stop], state, fresh_TN[start:stop])
            values.append(value.squeeze(-1))
        self._critic_state[worker] = state
        final, _ = self._critic(observation[-1:], state, end_TN[-1:] != End.RUNNING)
        return Appraised(
            segment=segment,
            version=version,
            value_TN=self._value_scale.inverse(torch.cat(values)),
            final_value_N=self._value_scale.inverse(final[0, :, 0]),
            critic_hidden=torch.stack([hidden for hidden, _ in states]),
            critic_cell=torch.stack([cell for _, cell in states]),
        )

"""Experience cut into chunks, ready to be shuffled into minibatches."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

# T time, N environments, L steps of a chunk, M chunks, A actuators, H size of the policy's LSTM.


@dataclasses.dataclass(frozen=True)
class Chunks:
    """M chunks of L steps; every tensor's first dimension is M.

    Attributes:
        actor_observation: (M, L, D); critic_observation: (M, L, E).
        bins: (M, L, A) uint8; log_probability: (M, L, A); advantage, value_target: (M, L).
        fresh: (M, L) bool, an episode starts with the step.
        version: (M,) of the policy that acted.
        hidden, cell: (M, H) the policy's memory at the chunk's start; critic_hidden, critic_cell: the critic's.
    """

    actor_observation: Tensor
    critic_observation: Tensor
    bins: Tensor
    log_probability: Tensor
    advantage: Tensor
    value_target: Tensor
    fresh: Tensor
    version: Tensor
    hidden: Tensor
    cell: Tensor
    critic_hidden: Tensor
    critic_cell: Tensor

    def __len__(self) -> int:
        return len(self.fresh)

    @property
    def num_steps(self) -> int:
        """Transitions in all chunks."""
        return self.fresh.numel()

    def pick(self, index: Tensor) -> Chunks:
        """The chunks ``index`` (m,)."""
        return Chunks(**{name: value[index] for name, value in vars(self).items()})


def join(parts: list[Chunks]) -> Chunks:
    """One batch from several."""
    names = [field.name for field in dataclasses.fields(Chunks)]
    return Chunks(**{name: torch.cat([getattr(part, name) for part in parts]) for name in names})


def by_chunk(steps: Tensor, chunk_steps: int) -> Tensor:
    """(T, N, ...) to (M, L, ...): the chunks of all environments in a row, each in time's order."""
    time, count = steps.shape[:2]
    split = steps.reshape(time // chunk_steps, chunk_steps, count, *steps.shape[2:])
    return split.transpose(1, 2).reshape(-1, chunk_steps, *steps.shape[2:])

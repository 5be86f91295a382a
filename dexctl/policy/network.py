"""Actor and critic: normalize, dense layers, optionally an LSTM, a linear head (section 4, appendix D.1)."""

from __future__ import annotations

import dataclasses
import itertools
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from dexctl.policy.normalization import RunningNormalization
from dexctl.profile import schema

# T time, B batch, D input, H LSTM size, O output.

State = tuple[Tensor, Tensor]


@dataclasses.dataclass(frozen=True)
class Shape:
    """What decides whether two networks fit together."""

    kind: str
    inputs: int
    hidden: tuple[int, ...]
    lstm: int
    outputs: int
    activation: str
    clip_std: float

    @classmethod
    def of(cls, network: schema.Network, inputs: int, outputs: int, clip_std: float) -> Shape:
        """The shape a profile's table asks for; an LSTM of size 0 where there is none."""
        lstm = network.lstm if network.kind == "lstm" else 0
        return cls(network.kind, inputs, tuple(network.hidden), lstm, outputs, network.activation, clip_std)


class Network(nn.Module):
    """One network over sequences; a feed-forward one carries an empty state."""

    def __init__(self, shape: Shape, output_gain: float, seed: int) -> None:
        """Makes the network: orthogonal weights from ``seed``, zero biases, forget gates open.

        Args:
            output_gain: scale of the head's weights; small for a policy that starts near its biases.
        """
        super().__init__()
        self.shape = shape
        self.normalization = RunningNormalization(shape.inputs, shape.clip_std)
        sizes = (shape.inputs, *shape.hidden)
        self.dense = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.activation = nn.ReLU() if shape.activation == "relu" else nn.ELU()
        if shape.lstm:
            # Of features and memory side by side: a single step is one product. One bias a gate: two would only add up.
            self.gates = nn.Linear(sizes[-1] + shape.lstm, 4 * shape.lstm)
        self.head = nn.Linear(shape.lstm or sizes[-1], shape.outputs)
        self._initialize(output_gain, torch.Generator().manual_seed(seed))

    def _initialize(self, output_gain: float, generator: torch.Generator) -> None:
        for layer in self.dense:
            _draw_orthogonal(layer.weight, math.sqrt(2.0), generator)  # pyright: ignore[reportArgumentType]
            nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]
        if self.shape.lstm:
            from_features, from_memory = self._gate_weights()
            _draw_orthogonal(from_features, 1.0, generator)
            _draw_orthogonal(from_memory, 1.0, generator)
            nn.init.zeros_(self.gates.bias)
            with torch.no_grad():
                self.gates.bias[self.shape.lstm : 2 * self.shape.lstm] = 1.0
        _draw_orthogonal(self.head.weight, output_gain, generator)
        nn.init.zeros_(self.head.bias)

    def initial_state(self, batch: int) -> State:
        """Zeros, (B, H) twice; (B, 0) for a feed-forward network."""
        zero = self.head.weight.new_zeros(batch, self.shape.lstm)
        return zero, zero.clone()

    def forward(self, observation: Tensor, state: State, fresh: Tensor | None = None) -> tuple[Tensor, State]:
        """Runs over a stretch of time.

        Args:
            observation: (T, B, D) float32, not normalized.
            state: (B, H) hidden and cell at the stretch's start.
            fresh: (T, B) bool, an episode starts with this step, so the memory is emptied before it.

        Returns:
            (T, B, O) and the state after the last step.
        """
        features = self.normalization(observation)
        for layer in self.dense:
            features = self.activation(layer(features))
        if self.shape.lstm:
            features, state = self._remember(features, state, fresh)
        return self.head(features), state

    def _gate_weights(self) -> tuple[Tensor, Tensor]:
        """Views (4 H, F) and (4 H, H) of the gates' weights: what meets features, and what meets memory."""
        features, memory = self.gates.weight.split([self.gates.in_features - self.shape.lstm, self.shape.lstm], dim=1)
        return features, memory

    def _remember(self, features: Tensor, state: State, fresh: Tensor | None) -> tuple[Tensor, State]:
        hidden, cell = state
        if len(features) == 1 and fresh is None:
            state = self._update(self.gates(torch.cat((features[0], hidden), dim=-1)), cell)
            return state[0].unsqueeze(0), state
        from_features, from_memory = self._gate_weights()
        outputs = []
        for t, gates in enumerate(functional.linear(features, from_features, self.gates.bias).unbind(0)):
            if fresh is not None:
                keep = (~fresh[t]).to(hidden.dtype).unsqueeze(-1)
                hidden, cell = hidden * keep, cell * keep
            hidden, cell = self._update(gates + functional.linear(hidden, from_memory), cell)
            outputs.append(hidden)
        return torch.stack(outputs), (hidden, cell)

    def _update(self, gates: Tensor, cell: Tensor) -> State:
        """Hidden and cell (B, H) after a step, from (B, 4 H): input, forget and output gates, then the candidate."""
        size = self.shape.lstm
        take, forget, show = gates[..., : 3 * size].sigmoid().chunk(3, dim=-1)
        cell = torch.addcmul(forget * cell, take, gates[..., 3 * size :].tanh())
        return show * cell.tanh(), cell


@torch.no_grad()
def _draw_orthogonal(weight: Tensor, gain: float, generator: torch.Generator) -> None:
    """Draws weights (rows, columns) on the processor: a seed gives the same network on every device."""
    drawn = torch.empty(weight.shape, device="meta" if weight.is_meta else "cpu")
    weight.copy_(nn.init.orthogonal_(drawn, gain, generator=generator))

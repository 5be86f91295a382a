"""A policy's weights as named arrays, the way they travel from optimizer to workers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from dexctl.errors import ProtocolError
from dexctl.policy.actor import Actor

# The count of the running statistics is the optimizer's business; acting needs mean and variance.
_NOT_SENT = "normalization.count"


def to_arrays(actor: Actor) -> dict[str, np.ndarray]:
    """Copies of all that acting needs, by name, float32."""
    state = actor.state_dict()
    return {name: value.detach().cpu().numpy().copy() for name, value in state.items() if name != _NOT_SENT}


def from_arrays(actor: Actor, arrays: Mapping[str, np.ndarray]) -> None:
    """Takes weights over.

    Raises:
        ProtocolError: they are of another network.
    """
    mine = {name: value for name, value in actor.state_dict().items() if name != _NOT_SENT}
    if {name: tuple(value.shape) for name, value in mine.items()} != {n: a.shape for n, a in arrays.items()}:
        raise ProtocolError("the optimizer sent weights of another network", "Run the same dexctl on both sides.")
    with torch.no_grad():
        for name, value in mine.items():
            value.copy_(torch.from_numpy(np.array(arrays[name])))

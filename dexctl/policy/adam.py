"""The state of an optimizer as named tensors, the way checkpoints keep it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def adam_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Moments, of each parameter's shape, and counts () by ``INDEX.NAME``, in the order of the parameters."""
    return {
        f"{index}.{name}": value
        for index, moments in optimizer.state_dict()["state"].items()
        for name, value in moments.items()
    }


def restore_adam(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], learning_rate: float) -> None:
    """Goes on from what ``adam_tensors`` told of an optimizer of the same parameters."""
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, field = name.partition(".")
        moments.setdefault(int(index), {})[field] = tensor
    groups = optimizer.state_dict()["param_groups"]
    for group in groups:
        group["lr"] = learning_rate
    optimizer.load_state_dict({"state": moments, "param_groups": groups})

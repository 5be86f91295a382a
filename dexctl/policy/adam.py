"""The state of an optimizer as named tensors, the way checkpoints keep it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from dexctl.errors import ProtocolError

_COUNT = "step"
_MOMENTS = {_COUNT, "exp_avg", "exp_avg_sq"}


def adam_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Moments, of each parameter's shape, and counts () by ``INDEX.NAME``, in the order of the parameters."""
    return {
        f"{index}.{name}": value
        for index, moments in optimizer.state_dict()["state"].items()
        for name, value in moments.items()
    }


def restore_adam(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], learning_rate: float) -> None:
    """Goes on from what ``adam_tensors`` told of an optimizer of the same parameters.

    Raises:
        ProtocolError: it was of other parameters.
    """
    shapes = [parameter.shape for group in optimizer.param_groups for parameter in group["params"]]
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, field = name.partition(".")
        if not (index.isdecimal() and int(index) < len(shapes) and tensor.shape == _shape(field, shapes[int(index)])):
            raise ProtocolError(f"the optimizer's {name} does not fit its networks", "Take an older checkpoint.")
        moments.setdefault(int(index), {})[field] = tensor
    if any(found.keys() != _MOMENTS for found in moments.values()):
        raise ProtocolError("the optimizer's moments are not whole", "Take an older checkpoint.")
    groups = optimizer.state_dict()["param_groups"]
    for group in groups:
        group["lr"] = learning_rate
    optimizer.load_state_dict({"state": moments, "param_groups": groups})


def _shape(field: str, parameter: torch.Size) -> torch.Size:
    return torch.Size() if field == _COUNT else parameter

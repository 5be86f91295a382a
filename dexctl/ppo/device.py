"""Where an optimizer process has its networks, what it learns from, and Adam's moments."""

from __future__ import annotations

import torch

from dexctl.errors import UnavailableError
from dexctl.profile import schema

_CURE = "'dexctl doctor' says what is there; ppo.device = \"cpu\" learns on the processor."


def learning_device(profile: schema.Profile, fused: bool, local_rank: int = 0) -> torch.device:
    """The device that a profile's ``ppo.device`` means here.

    Args:
        fused: the process simulates, too: with physics on a GPU it learns there, unless the profile says otherwise.
        local_rank: of this process among those on this machine; each takes a GPU of its own where none is numbered.

    Raises:
        UnavailableError: torch has no such device here.
    """
    wanted = profile.ppo.device or (_physics_device(profile.physics) if fused else "cpu")
    if wanted == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UnavailableError(f"ppo.device: torch finds no GPU here, and {wanted} was asked for", _CURE)
    named = torch.device(wanted)
    device = torch.device(named.type, local_rank if named.index is None else named.index)
    if device.index >= torch.cuda.device_count():
        raise UnavailableError(f"ppo.device: {device} of {torch.cuda.device_count()} GPUs is not there", _CURE)
    return device


def _physics_device(physics: schema.Physics) -> str:
    """Where Warp steps, as torch calls it: where nothing else is asked for, on a GPU if there is one."""
    if physics.backend == "cpu":
        return "cpu"
    return physics.device or ("cuda" if torch.cuda.is_available() else "cpu")

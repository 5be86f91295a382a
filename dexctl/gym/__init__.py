"""The task for learning libraries that speak Gymnasium: importing this room registers ``dexctl/Block-v0``.

``gymnasium.make_vec("dexctl.gym:dexctl/Block-v0", num_envs=N)`` imports it by itself. Neither torch nor
MuJoCo is imported before an environment is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import gymnasium

if TYPE_CHECKING:
    from dexctl.gym.environments import BlockEnvironment, BlockVectorEnvironment

BLOCK = "dexctl/Block-v0"
PROFILE = "block"


def make(profile: str = PROFILE, settings: Sequence[str] = (), observations: str = "vector") -> BlockEnvironment:
    """Makes one hand, as ``gymnasium.make("dexctl/Block-v0", ...)`` does.

    Args:
        profile: name or path, as after ``--profile``.
        settings: ``table.key=value`` each, as after ``--set``.
        observations: ``vector``, what the profile's policy sees side by side, or ``dict``, the same by name.

    Raises:
        DexctlError: a profile, a setting or the kind of observations is not known.
    """
    from dexctl.gym.environments import BlockEnvironment

    return BlockEnvironment(profile, settings, observations)


def make_vec(
    num_envs: int = 1, profile: str = PROFILE, settings: Sequence[str] = (), observations: str = "vector"
) -> BlockVectorEnvironment:
    """Makes many hands stepped at once, as ``gymnasium.make_vec("dexctl/Block-v0", ...)`` does.

    Args:
        num_envs: hands; the rest is as for ``make``.

    Raises:
        DexctlError: a profile, a setting or the kind of observations is not known.
    """
    from dexctl.gym.environments import BlockVectorEnvironment

    return BlockVectorEnvironment(num_envs, profile, settings, observations)


gymnasium.register(BLOCK, entry_point="dexctl.gym:make", vector_entry_point="dexctl.gym:make_vec")

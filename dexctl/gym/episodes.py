"""Episodes of the task as NumPy arrays: what the one hand and the many of Gymnasium share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from dexctl import randomness
from dexctl.errors import UsageError
from dexctl.physics.cpu import CpuPhysics
from dexctl.profile.load import load
from dexctl.reorient.environment import Environment, Step
from dexctl.reorient.observation import concatenate, sizes
from dexctl.scene.build import build_scene

# N hands, A actuators.

KINDS = ("vector", "dict")
Observation = np.ndarray | dict[str, np.ndarray]

_EPISODE = randomness.stream("gym.episode")


class Episodes:
    """N hands, each in an episode of its own; episode i of a hand depends on (seed, hand, i) and, with a bank, on it.

    Attributes:
        observation_space, action_space: of one hand.
        environment: the task itself.
    """

    def __init__(
        self, num_hands: int, profile: str, settings: Sequence[str], observations: str, with_bank: bool
    ) -> None:
        """Builds scene, physics and task; ``seed`` and then ``begin`` start the episodes.

        Args:
            observations: one of ``KINDS``.
            with_bank: starts come from the task's bank where it has one, as in training; else each is played.

        Raises:
            DexctlError: a profile, a setting or the kind of observations is not known.
        """
        if observations not in KINDS:
            raise UsageError(f"observations: {observations!r} is not known", f"Say one of {', '.join(KINDS)}.")
        if num_hands < 1:
            raise UsageError(f"num_envs: {num_hands} hands are none", "Ask for one at least.")
        found = load(profile, settings).profile
        scene = build_scene(found)
        self._with_bank = with_bank and found.task.start_bank > 0
        spare = found.task.start_refresh if self._with_bank else 0
        physics = CpuPhysics(scene, num_hands + spare, found.physics)
        self.environment = Environment(found, scene, physics, num_hands, nearest_goal_of=found.task.nearest_goal_of)
        self.everyone = torch.arange(num_hands)
        self._observe = found.policy.actor.observe
        self._by_name = observations == "dict"
        self._key = torch.zeros(1, dtype=torch.int64)
        self._begun = torch.zeros(num_hands, dtype=torch.int64)
        known = sizes(found)
        by_name: dict[str, spaces.Space[Any]] = {name: _unbounded(known[name]) for name in self._observe}
        whole = sum(known[name] for name in self._observe)
        self.observation_space = spaces.Dict(by_name) if self._by_name else _unbounded(whole)
        self._num_bins = found.action.bins
        self.action_space = spaces.MultiDiscrete(np.full(self.environment.num_actuators, self._num_bins))

    def seed(self, seed: int) -> None:
        """Lets everything from here on derive from a seed, the bank of starts too."""
        self._key = randomness.key(seed)
        self._begun.zero_()
        if self._with_bank:
            self.environment.use_bank(self._key)

    def begin(self, hands: Tensor) -> None:
        """Starts the next episodes of ``hands`` (n,)."""
        key = randomness.derive(self._key.expand(len(hands)), _EPISODE, hands, self._begun[hands])
        self._begun[hands] += 1
        self.environment.begin(hands, key)

    def step(self, bins: np.ndarray) -> Step:
        """Acts with all hands.

        Args:
            bins: (N, A) integers of the action space.

        Raises:
            ValueError: an action is not in the action space.
        """
        asked = np.asarray(bins)
        expected = (len(self.everyone), self.environment.num_actuators)
        if asked.shape != expected or asked.dtype.kind not in "iu":
            raise ValueError(f"actions of shape {asked.shape}, {asked.dtype}: {expected}, integers, are needed")
        if asked.min() < 0 or asked.max() >= self._num_bins:
            raise ValueError(f"actions from {asked.min()} to {asked.max()}: bins go from 0 to {self._num_bins - 1}")
        return self.environment.step(torch.from_numpy(asked.astype(np.int64)))

    def observe(self, hands: Tensor | None = None) -> Observation:
        """What the policy sees of ``hands`` (n,), or of all; (n, size) float32, or such by name."""
        seen = self.environment.perceive(self.environment.observe(hands), hands)
        if self._by_name:
            return {name: concatenate(seen, [name]).numpy() for name in self._observe}
        return concatenate(seen, self._observe).numpy()

    def told(self) -> dict[str, np.ndarray]:
        """Goals reached in the episode (N,), and the angle (N,) left to the goal that holds now."""
        env = self.environment
        return {"goals": env.goals.numpy().copy(), "angle_rad": env.angle_rad.numpy().copy()}


def one(observation: Observation, hand: int) -> Observation:
    """One hand's observation, from those of several."""
    if isinstance(observation, dict):
        return {name: array[hand] for name, array in observation.items()}
    return observation[hand]


def _unbounded(size: int) -> spaces.Box:
    return spaces.Box(-np.inf, np.inf, (size,), np.float32)

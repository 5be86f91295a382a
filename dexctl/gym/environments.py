"""The task as Gymnasium's environments: one hand, and many of them stepped at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from dexctl.gym.episodes import Episodes, Observation, one
from dexctl.reorient.rules import End

# A seed is drawn from so many where none is given.
_SEEDS = 2**63 - 1


class BlockEnvironment(gymnasium.Env[Any, np.ndarray]):
    """One hand; a dropped object terminates the episode, the clock or the last goal truncates it.

    ``info`` has ``goals`` reached in the episode, ``angle_rad`` left to the goal that holds now, and ``end``,
    an ``End``. Each episode plays a start of its own, and depends on (seed, how many came before) alone.
    """

    def __init__(self, profile: str, settings: Sequence[str], observations: str) -> None:
        self.metadata = {"render_modes": []}
        self._episodes = Episodes(1, profile, settings, observations, with_bank=False)
        self.observation_space = self._episodes.observation_space
        self.action_space = self._episodes.action_space
        self._seeded = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begins an episode; a seed begins the same episodes again, none goes on to the next."""
        super().reset(seed=seed, options=options)
        if seed is not None or not self._seeded:
            self._episodes.seed(int(self.np_random.integers(_SEEDS)))
            self._seeded = True
        self._episodes.begin(self._episodes.everyone)
        return one(self._episodes.observe(), 0), self._info(End.RUNNING)

    def step(self, action: np.ndarray) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Acts for one control period.

        Args:
            action: (A,) integers, a bin of each actuator.

        Raises:
            ResetNeeded: no episode was begun.
            ValueError: the action is not in the action space.
        """
        if not self._seeded:
            raise ResetNeeded("step before reset: no episode was begun")
        step = self._episodes.step(np.asarray(action)[None])
        end = End(int(step.end[0]))
        observation = one(self._episodes.observe(), 0)
        truncated = end not in (End.RUNNING, End.DROP)
        return observation, float(step.reward[0]), end == End.DROP, truncated, self._info(end)

    def _info(self, end: End) -> dict[str, Any]:
        return {**{name: array[0].item() for name, array in self._episodes.told().items()}, "end": int(end)}


class BlockVectorEnvironment(VectorEnv[Any, np.ndarray, np.ndarray]):
    """Many hands in one thread pool; an episode that ends begins anew in the same step.

    The step that ends an episode returns the next one's first observation; ``info["final_obs"]`` and
    ``info["final_info"]`` have the ended one's last. Otherwise ``info`` is as of one hand, arrays (N,). Starts come
    from the task's bank, as in training, which every seeded reset fills anew.
    """

    def __init__(self, num_envs: int, profile: str, settings: Sequence[str], observations: str) -> None:
        self.metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}
        self._episodes = Episodes(num_envs, profile, settings, observations, with_bank=True)
        self.num_envs = num_envs
        self.single_observation_space = self._episodes.observation_space
        self.single_action_space = self._episodes.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._seeded = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begins an episode of every hand; a seed begins the same ones again, none goes on to the next."""
        super().reset(seed=seed, options=options)
        if seed is not None or not self._seeded:
            self._episodes.seed(int(self.np_random.integers(_SEEDS)))
            self._seeded = True
        self._episodes.begin(self._episodes.everyone)
        return self._episodes.observe(), self._infos(np.zeros(self.num_envs, np.int64))

    def step(self, actions: np.ndarray) -> tuple[Observation, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Acts for one control period with every hand.

        Args:
            actions: (N, A) integers, a bin of each actuator.

        Raises:
            ResetNeeded: no episode was begun.
            ValueError: an action is not in the action space.
        """
        if not self._seeded:
            raise ResetNeeded("step before reset: no episode was begun")
        step = self._episodes.step(actions)
        end = step.end.numpy()
        terminated = end == End.DROP
        truncated = (end != End.RUNNING) & ~terminated
        final = self._begin_anew(end)
        infos = self._infos(np.where(end == End.RUNNING, end, End.RUNNING)) | final
        return self._episodes.observe(), step.reward.numpy(), terminated, truncated, infos

    def _begin_anew(self, end: np.ndarray) -> dict[str, Any]:
        """Begins the next episode of every hand whose own ended, and returns what was last of those."""
        ended = np.flatnonzero(end != End.RUNNING)
        if not len(ended):
            return {}
        hands = torch.from_numpy(ended)
        seen, told = self._episodes.observe(hands), {**self._episodes.told(), "end": end}
        final: dict[str, Any] = {}
        for row, hand in enumerate(ended.tolist()):
            last = {name: array[hand].item() for name, array in told.items()}
            final = self._add_info(final, {"final_obs": one(seen, row), "final_info": last}, hand)
        self._episodes.begin(hands)
        return final

    def _infos(self, end: np.ndarray) -> dict[str, Any]:
        infos = {**self._episodes.told(), "end": end}
        return infos | {f"_{name}": np.ones(self.num_envs, np.bool_) for name in infos}

"""Environment and policy together: segments of experience, one after the other."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import torch
from torch import Tensor

from dexctl import randomness
from dexctl.physics.making import make_physics
from dexctl.policy import choosing
from dexctl.policy.actor import Actor
from dexctl.profile import schema
from dexctl.reorient.environment import End, Environment
from dexctl.reorient.observation import concatenate
from dexctl.rollout.segment import Arrays, empty_segment, on_host, segment_layout
from dexctl.scene.build import build_scene

_EPISODE = randomness.stream("rollout.episode")


@dataclasses.dataclass
class Clocks:
    """Seconds of a worker by what it did."""

    physics: float = 0.0
    inference: float = 0.0
    total: float = 0.0


def sampling_noise(env: Environment, ids: Tensor | None = None) -> Tensor:
    """The uniform numbers (n, A) that this step's actions are drawn with, from each episode's own key."""
    rows = slice(None) if ids is None else ids
    return choosing.sampling_noise(env.key[rows], env.steps[rows], env.num_actuators)


class Collector:
    """N environments that a policy acts in; episodes that end begin anew."""

    def __init__(
        self, profile: schema.Profile, seed: int, worker: int, dump_folder: Path | None = None, updates: int = 0
    ) -> None:
        """Builds scene, physics, environment and policy, and fills the bank of starts.

        Args:
            seed, worker, updates: what every draw of this collector derives from; the last is how far
                training was when the worker joined.
            dump_folder: where a failing simulation is written down.
        """
        scene = build_scene(profile)
        count = profile.rollout.environments
        spare = profile.task.start_refresh if profile.task.start_bank else 0
        self.physics = make_physics(scene, count + spare, profile.physics, dump_folder)
        self.environment = Environment(
            profile, scene, self.physics, count, nearest_goal_of=profile.task.nearest_goal_of
        )
        self.actor = Actor(profile, self.environment.num_actuators).to(self.physics.device)
        self.layout = segment_layout(profile, self.environment.num_actuators)
        self.clocks = Clocks()
        self._told_failures = 0
        self._profile = profile
        self._key = randomness.key(seed, worker, updates)
        self._episodes = torch.zeros(count, dtype=torch.int64)
        if profile.task.start_bank:
            self.environment.use_bank(self._key)
        everyone = torch.arange(count)
        self._begin(everyone)
        self._fresh = torch.ones(count, dtype=torch.bool)
        self._state = self.actor.initial_state(count)
        self._spread_clocks(everyone)

    def _begin(self, ids: Tensor) -> None:
        key = randomness.derive(self._key.expand(len(ids)), _EPISODE, ids, self._episodes[ids])
        self._episodes[ids] += 1
        self.environment.begin(ids, key)

    def _spread_clocks(self, ids: Tensor) -> None:
        # Otherwise the first episodes that nobody drops all time out in the same step.
        timeout = round(self._profile.task.goal_timeout_s / self.environment.control_period_s)
        draw = randomness.uniform(randomness.derive(self.environment.key, 1), 1)[:, 0]
        self.environment.goal_steps[ids] = (draw * timeout).long()

    def report(self) -> dict[str, float]:
        """Seconds by use, and simulations that failed, since the last report: numbers for the optimizer's figures."""
        failures, self._told_failures = self.physics.failures - self._told_failures, self.physics.failures
        clocks, self.clocks = self.clocks, Clocks()
        return {
            "physics_s": clocks.physics,
            "inference_s": clocks.inference,
            "total_s": clocks.total,
            "failures": float(failures),
        }

    def collect(self) -> Arrays:
        """Acts for one segment with the policy as it is; arrays as in ``segment_layout``."""
        return on_host(self.collect_in_place())

    def collect_in_place(self) -> dict[str, Tensor]:
        """As ``collect``, the segment's tensors left where physics has its state."""
        segment = empty_segment(self.layout, self.physics.device)
        # Not made in inference mode, so that it can be learned from.
        self._fill(segment)
        return segment

    @torch.inference_mode()
    def _fill(self, out: dict[str, Tensor]) -> None:
        started = time.perf_counter()
        physics_before = self.physics.seconds
        env, actor, profile = self.environment, self.actor, self._profile
        observe_actor, observe_critic = profile.policy.actor.observe, profile.policy.critic.observe
        seen = env.observe()
        for t in range(profile.rollout.segment_steps):
            perceived = concatenate(env.perceive(seen), observe_actor)
            out["actor_observation"][t] = perceived
            out["critic_observation"][t] = concatenate(seen, observe_critic)
            out["fresh"][t] = self._fresh
            keep = (~self._fresh).to(torch.float32).unsqueeze(-1)
            self._state = (self._state[0] * keep, self._state[1] * keep)
            chunk, offset = divmod(t, profile.ppo.chunk_steps)
            if offset == 0:
                out["hidden"][chunk], out["cell"][chunk] = self._state
            before = time.perf_counter()
            bins, log_probability, self._state = actor.act(perceived, self._state, sampling_noise(env))
            self.clocks.inference += time.perf_counter() - before
            step = env.step(bins)
            out["bins"][t], out["log_probability"][t] = bins, log_probability
            out["reward"][t], out["end"][t], out["goals"][t] = step.reward, step.end, step.goals
            self._fresh = step.end != End.RUNNING
            ended = torch.nonzero(self._fresh).squeeze(1)
            if len(ended):
                self._begin(ended)
            seen = env.observe()
        out["critic_observation"][-1] = concatenate(seen, observe_critic)
        self.clocks.physics += self.physics.seconds - physics_before
        self.clocks.total += time.perf_counter() - started

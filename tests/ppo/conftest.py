"""Learners small enough to teach in seconds, and experience made up or played by their own policy."""

import numpy as np
import pytest
import torch

from dexctl.policy.actor import Actor
from dexctl.policy.weights import from_arrays, to_arrays
from dexctl.ppo.learner import Learner
from dexctl.profile.load import load
from dexctl.reorient.environment import End
from dexctl.rollout.segment import empty_segment, on_host, segment_layout

SMALL = [
    'policy.actor.observe=["object_position"]',
    'policy.critic.observe=["object_position", "object_velocity"]',
    "policy.actor.hidden=[16]",
    "policy.critic.hidden=[16]",
    "policy.actor.lstm=12",
    "policy.critic.lstm=12",
    "policy.initial_std=0.0",
    "action.bins=3",
    "rollout.environments=32",
    "rollout.segment_steps=8",
    "ppo.batch_steps=256",
    "ppo.minibatches=2",
    "ppo.chunk_steps=4",
    "ppo.epochs=4.0",
    "ppo.learning_rate=0.01",
    "ppo.learning_rate_max=0.01",
    "ppo.kl_low=0.0",
    "ppo.kl_high=0.0",
    "ppo.entropy=0.003",
    "ppo.whole_episodes=false",
    'ppo.autocast="off"',
]
ACTUATORS = 2


@pytest.fixture
def toy():
    """A profile of one kind of network; settings win."""

    def toy(kind="feedforward", *settings):
        kinds = [f'policy.actor.kind="{kind}"', f'policy.critic.kind="{kind}"']
        return load("block-small-lstm", [*SMALL, *kinds, *settings], {}).profile

    return toy


@pytest.fixture
def make_learner():
    def make_learner(profile, seed=0):
        return Learner(profile, ACTUATORS, seed)

    return make_learner


@pytest.fixture
def made_up():
    """A segment of random numbers; episodes end at random, and the first step starts one."""

    def made_up(profile, seed=0, ends=0.1, first_fresh=True):
        generator = np.random.default_rng(seed)
        arrays = on_host(empty_segment(segment_layout(profile, ACTUATORS), torch.device("cpu")))
        for array in arrays.values():
            if array.dtype == np.float32:
                array[:] = generator.normal(size=array.shape)
        arrays["bins"][:] = generator.integers(0, profile.action.bins, arrays["bins"].shape)
        arrays["log_probability"][:] = -np.log(profile.action.bins)
        ended = generator.random(arrays["end"].shape) < ends
        arrays["end"][:] = np.where(ended, generator.integers(1, 5, ended.shape), 0)
        arrays["goals"][:] = 0
        arrays["fresh"][1:] = ended[:-1]
        arrays["fresh"][0] = first_fresh
        arrays["hidden"][:] *= 0.1
        arrays["cell"][:] *= 0.1
        arrays["hidden"][0] = arrays["cell"][0] = 0.0
        return arrays

    return made_up


class Player:
    """Plays a made-up task the way a worker plays the real one: T steps of N episodes with the policy it was sent."""

    def __init__(self, profile, task, seed=0):
        self.profile, self.task = profile, task
        self.actor = Actor(profile, ACTUATORS)
        self.layout = segment_layout(profile, ACTUATORS)
        self.generator = torch.Generator().manual_seed(seed)
        count = profile.rollout.environments
        self.state = self.actor.initial_state(count)
        self.fresh = torch.ones(count, dtype=torch.bool)
        self.clock = torch.zeros(count, dtype=torch.int64)
        self.cue = self.task.cues(count, self.generator)

    def play(self, learner):
        """One segment with the learner's newest policy."""
        from_arrays(self.actor, to_arrays(learner.actor))
        out = empty_segment(self.layout, torch.device("cpu"))
        count = len(self.cue)
        for t in range(self.profile.rollout.segment_steps):
            seen = self.task.observe(self.cue, self.clock)
            out["actor_observation"][t] = seen
            out["critic_observation"][t] = torch.cat((seen, seen), dim=1)
            out["fresh"][t] = self.fresh
            keep = (~self.fresh).float().unsqueeze(-1)
            self.state = (self.state[0] * keep, self.state[1] * keep)
            chunk, offset = divmod(t, self.profile.ppo.chunk_steps)
            if offset == 0:
                out["hidden"][chunk], out["cell"][chunk] = self.state
            uniform = torch.rand(count, ACTUATORS, generator=self.generator)
            bins, out["log_probability"][t], self.state = self.actor.act(seen, self.state, uniform)
            out["bins"][t] = bins
            out["reward"][t], over = self.task.judge(bins, self.cue, self.clock)
            out["end"][t] = over * End.DROP
            out["goals"][t] = 0
            self.fresh = over
            self.clock = torch.where(over, 0, self.clock + 1)
            self.cue = torch.where(over, self.task.cues(count, self.generator), self.cue)
        seen = self.task.observe(self.cue, self.clock)
        out["critic_observation"][-1] = torch.cat((seen, seen), dim=1)
        return on_host(out)


@pytest.fixture
def make_player():
    return Player

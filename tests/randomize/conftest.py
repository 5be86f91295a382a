"""Environments whose randomization can be looked into, and the size and power of the tests of its distributions."""

import functools

import numpy as np
import pytest
import torch
from scipy import stats

from dexctl import randomness
from dexctl.physics.cpu import CpuPhysics
from dexctl.profile.distribution import Distribution
from dexctl.profile.load import load
from dexctl.reorient.environment import Environment
from dexctl.scene.build import build_scene

GROUPS = ("physics", "observation", "unmodeled")
EFFECTS = ("action_noise", "delay", "backlash", "timing", "marker_loss", "occlusion", "force")
OFF = [f"randomize.{group}.on=false" for group in GROUPS]

# Kolmogorov and Smirnov's test at this level refuses a right distribution once in ten thousand seeds. By
# Dvoretzky, Kiefer and Wolfowitz's inequality it misses one whose distribution function is off by twice its
# critical distance, sqrt(ln(2 / level) / 2n), no more often: with 2,000 numbers by 0.10, with 50,000 by 0.02.
LEVEL = 1e-4


def alone(effect):
    """Settings that leave one effect of the third group on."""
    return [f"randomize.unmodeled.{other}.on=false" for other in EFFECTS if other != effect]


@functools.cache
def scene_for(settings):
    return build_scene(load("block-paper", settings, {}).profile)


@pytest.fixture
def make():
    """Makes a paper's environment whose episodes have begun, with short starts."""

    def make(count=4, settings=(), seed=0):
        settings = ("task.start_random_steps=3", *settings)
        profile = load("block-paper", settings, {}).profile
        scene = scene_for(settings)
        env = Environment(profile, scene, CpuPhysics(scene, count, profile.physics), count)
        begin(env, seed)
        return env

    return make


def begin(env, seed=0):
    ids = torch.arange(env.num_environments)
    env.begin(ids, randomness.derive(randomness.key(seed).expand(len(ids)), ids))


def acted(env, steps, seed=0):
    """Positions (steps, N, Q) of an environment that acts at random, the same in all with a seed."""
    ids, found = torch.arange(env.num_environments), []
    for step in range(steps):
        key = randomness.derive(randomness.key(seed).expand(len(ids)), step, ids)
        env.step((randomness.uniform(key, env.num_actuators) * env.profile.action.bins).long())
        found.append(env.physics.qpos.clone())
    return torch.stack(found)


def cumulative(value):
    """The distribution function of what a profile says, from scipy."""
    assert isinstance(value, Distribution)
    if value.uniform:
        return stats.uniform(value.uniform[0], value.uniform[1] - value.uniform[0]).cdf
    if value.loguniform:
        return stats.loguniform(*value.loguniform).cdf
    if value.normal:
        return stats.norm(*value.normal).cdf
    return stats.expon(scale=value.exponential).cdf


def assert_drawn_from(numbers, value):
    numbers = np.asarray(numbers).ravel()
    if isinstance(value, Distribution):
        assert stats.kstest(numbers, cumulative(value)).pvalue > LEVEL
    else:
        np.testing.assert_allclose(numbers, value, rtol=1e-12)

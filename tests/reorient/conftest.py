"""Environments of any profile, and actions that depend on nothing but a seed."""

import functools

import pytest
import torch

from dexctl import randomness
from dexctl.physics.cpu import CpuPhysics
from dexctl.profile.load import load
from dexctl.reorient.environment import Environment
from dexctl.scene.build import build_scene

# What a test of the task itself leaves out: the noise, delays and forces of a randomized profile.
PLAIN = [f"randomize.{group}.on=false" for group in ("physics", "observation", "unmodeled")]
_scenes = {}


def scene_of(profile):
    """A scene is the same for every test that asks for the same hand, object and step."""
    observation, unmodeled = profile.randomize.observation, profile.randomize.unmodeled
    key = repr((profile.hand, profile.object, profile.physics, observation.on, unmodeled.on, unmodeled.occlusion))
    if key not in _scenes:
        _scenes[key] = build_scene(profile)
    return _scenes[key]


@pytest.fixture
def make():
    """Makes an environment whose episodes have begun.

    ``spare`` more simulations are for a bank; ``plain`` ones are not randomized.
    """

    def make(name="block", count=4, settings=(), seed=0, spare=0, begin=True, plain=False, **options):
        profile = load(name, [*settings, *(PLAIN if plain else ())], {}).profile
        scene = scene_of(profile)
        env = Environment(profile, scene, CpuPhysics(scene, count + spare, profile.physics), count, **options)
        if begin:
            ids = torch.arange(count)
            env.begin(ids, randomness.derive(randomness.key(seed).expand(count), ids))
        return env

    return make


@pytest.fixture
def make_plain(make):
    """The paper's task with nothing randomized: what a step brings can be worked out by hand."""
    return functools.partial(make, "block-paper", plain=True)


@pytest.fixture
def actions():
    """Random bins (N, A) of a step."""

    def actions(env, step, seed=0, rows=None):
        ids = torch.arange(env.num_environments) if rows is None else rows
        key = randomness.derive(randomness.key(seed).expand(len(ids)), step, ids)
        return (randomness.uniform(key, env.num_actuators) * env.profile.action.bins).long()

    return actions


@pytest.fixture
def middle():
    """The bins that ask every joint to stay where it is."""

    def middle(env, rows=None):
        count = env.num_environments if rows is None else len(rows)
        return torch.full((count, env.num_actuators), env.profile.action.bins // 2)

    return middle

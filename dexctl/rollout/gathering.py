"""States of hand and object from a policy at play, many hands at once: what pictures are rendered from."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
import torch

from dexctl import randomness, rotation
from dexctl.physics.cpu import CpuPhysics
from dexctl.policy.opening import OpenPolicy
from dexctl.reorient.environment import End, Environment
from dexctl.reorient.observation import concatenate
from dexctl.rollout.collector import sampling_noise
from dexctl.scene.build import build_scene

_EPISODE = randomness.stream("gather.episode")
# Policies act in tiles of 32 rows.
HANDS = 64
# More hands, that play starts meanwhile; else each episode would wait for one.
_STARTERS = 16


def gather(policy: OpenPolicy, seed: int, every: int, first_row: int = 0) -> Iterator[dict[str, np.ndarray]]:
    """Plays without end; episodes that end begin anew.

    Args:
        every: control steps from one state to the next of the same hand.
        first_row: of the dataset that the states go to; another one plays other episodes.

    Yields:
        Columns of ``store.states``, up to 64 rows at a time.
    """
    task = msgspec.structs.replace(policy.profile.task, start_bank=HANDS, start_refresh=_STARTERS)
    profile = msgspec.structs.replace(policy.profile, task=task)
    scene = build_scene(profile)
    physics = CpuPhysics(scene, HANDS + _STARTERS, profile.physics)
    env = Environment(profile, scene, physics, HANDS)
    chooser = policy.chooser(HANDS)
    env.use_bank(randomness.key(seed, first_row))
    key, everyone = randomness.key(seed, first_row).expand(HANDS), torch.arange(HANDS)
    episodes = torch.zeros(HANDS, dtype=torch.int64)
    at, step = scene.object_qpos, 0
    fresh = everyone
    while True:
        if len(fresh):
            env.begin(fresh, randomness.derive(key[fresh], _EPISODE, fresh, episodes[fresh]))
            chooser.reset(fresh)
        seen = env.perceive(env.observe()) if chooser.observe else {}
        observations = concatenate(seen, chooser.observe) if chooser.observe else torch.empty(0)
        end = env.step(chooser.choose(observations, sampling_noise(env), everyone)).end
        step += 1
        # Hands take turns, so that neighbours in the dataset are different.
        shown = everyone[(end == End.RUNNING) & ((everyone + step) % every == 0)]
        if len(shown):
            qpos = physics.qpos[shown]
            orientation = rotation.canonical(rotation.normalize(qpos[:, at + 3 : at + 7]))
            yield {
                "qpos": qpos.numpy().astype(np.float32),
                "object_position_m": qpos[:, at : at + 3].numpy().astype(np.float32),
                "object_quaternion_wxyz": orientation.numpy().astype(np.float32),
                "episode": (first_row + shown + HANDS * episodes[shown]).numpy(),
            }
        fresh = everyone[end != End.RUNNING]
        episodes[fresh] += 1

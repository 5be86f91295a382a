import msgspec
import numpy as np
import pytest
import torch

from dexctl import randomness
from dexctl.errors import ProtocolError
from dexctl.evaluate.sight import Sight
from dexctl.physics.cpu import CpuPhysics
from dexctl.profile.load import load
from dexctl.reorient.environment import Environment
from dexctl.reorient.observation import orientations
from dexctl.scene.build import build_scene

SIZE_PX = 16
QUATERNION = (0.5, 0.5, 0.5, 0.5)


class Stub:
    """An estimator that always says the same, and keeps what it was shown."""

    image_px = SIZE_PX

    def __init__(self, profile):
        self.profile = profile
        self.shown = []

    def estimate(self, pictures):
        self.shown.append(pictures)
        count = len(pictures)
        return np.full((count, 3), 0.25, np.float32), np.tile(np.array(QUATERNION, np.float32), (count, 1))


@pytest.fixture(scope="module")
def stub():
    return Stub(load("vision-small", [], {}).profile)


@pytest.fixture(scope="module")
def env():
    profile = load("block-yaw", ["task.start_random_steps=0", "physics.threads=1"], {}).profile
    scene = build_scene(profile)
    env = Environment(profile, scene, CpuPhysics(scene, 3, profile.physics), 3)
    env.begin(torch.arange(3), randomness.derive(randomness.key(0).expand(3), torch.arange(3)))
    return env


def test_the_estimated_pose_takes_the_place_of_the_true_one_and_nothing_else_changes(stub, env):
    rows = torch.tensor([2, 0])
    truth = env.perceive(env.observe(rows), rows)
    with Sight(stub) as sight:
        sight.check(env.profile)
        seen = sight.look(env, rows, truth)
    quaternion = torch.tensor(QUATERNION, dtype=torch.float64).expand(2, 4)
    spawn = torch.tensor(env.profile.object.spawn_m, dtype=torch.float64)
    assert torch.allclose(seen["object_position"], 0.25 - spawn.expand(2, 3))
    told = orientations(quaternion, env.goal[rows])
    assert all(torch.allclose(seen[name], told[name]) for name in told)
    for name in truth.keys() - {"object_position", *told}:
        assert torch.equal(seen[name], truth[name])


def test_a_trial_looks_the_same_whatever_is_beside_it_and_unlike_others(stub, env):
    with Sight(stub) as sight:
        for rows in (torch.arange(3), torch.tensor([1])):
            sight.look(env, rows, env.observe(rows))
    together, alone = stub.shown[-2:]
    assert together.shape == (3, 3, SIZE_PX, SIZE_PX, 3)
    assert np.array_equal(together[1], alone[0])
    assert not np.array_equal(together[0], together[1])


def test_another_object_is_refused(stub):
    profile = load("block", [], {}).profile
    other = msgspec.structs.replace(profile, object=msgspec.structs.replace(profile.object, size_m=0.05))
    with Sight(stub) as sight, pytest.raises(ProtocolError, match="another object"):
        sight.check(other)

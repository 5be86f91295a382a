"""From what a user names to a policy: a run, a checkpoint or a baseline, and a reason when it does not fit."""

import msgspec
import pytest
import torch

from dexctl.errors import MissingError, ProtocolError, UsageError
from dexctl.policy import checkpoint
from dexctl.policy.actor import Actor
from dexctl.policy.opening import open_policy
from dexctl.profile.load import digest

PROGRESS = checkpoint.Progress(version=7, steps=123_456, seconds=60.5, learning_rate=3e-4)


@pytest.fixture
def saved(toy, tmp_path):
    profile = toy()
    actor = Actor(profile, 20, seed=3)
    path = tmp_path / "p.safetensors"
    tensors = {f"actor.{name}": value for name, value in actor.state_dict().items()}
    checkpoint.write(path, profile=profile, digest=digest(profile), progress=PROGRESS, tensors=tensors, program="1")
    return str(path), profile, actor


def test_a_checkpoint_opens_with_its_own_profile(saved):
    path, profile, actor = saved
    policy = open_policy(path, None)
    assert (policy.profile, policy.steps) == (profile, 123_456)
    observations, uniform = torch.randn(3, 22), torch.rand(3, 20)
    bins, _, _ = actor.act(observations, actor.initial_state(3), uniform)
    assert torch.equal(policy.chooser(3).choose(observations, uniform, torch.arange(3)), bins)
    assert policy.chooser(3).observe == tuple(profile.policy.actor.observe)


@pytest.mark.parametrize("name", ["random", "zero"])
def test_a_baseline_needs_a_profile(toy, name):
    with pytest.raises(UsageError, match="--profile"):
        open_policy(name, None)
    policy = open_policy(name, toy())
    assert (policy.name, policy.steps) == (name, 0)
    assert policy.chooser(4).choose(torch.empty(0), torch.rand(4, 20), torch.arange(4)).shape == (4, 20)


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("action.bins=5", "action.bins = 11, the profile has 5"),
        ('object.kind="sphere"', "object.kind = block, the profile has sphere"),
    ],
)
def test_a_policy_of_another_body_is_refused_with_what_differs(saved, toy, setting, named):
    path, _, _ = saved
    with pytest.raises(ProtocolError, match=named) as refused:
        open_policy(path, toy("lstm", setting))
    assert refused.value.code == 76


def test_a_policy_of_another_hand_is_refused_with_its_name(saved):
    path, profile, _ = saved
    other = msgspec.structs.replace(profile, hand=msgspec.structs.replace(profile.hand, model="other-hand"))
    with pytest.raises(ProtocolError, match=r"hand\.model = gymnasium-robotics, the profile has other-hand"):
        open_policy(path, other)


def test_a_policy_of_the_same_body_acts_in_another_task(saved, toy):
    path, _, _ = saved
    assert open_policy(path, toy("lstm", 'task.goal="so3"', 'hand.gains="2018"')).profile.task.goal == "so3"


def test_a_policy_brings_its_networks_into_a_profile_that_has_others(saved, toy):
    path, profile, _ = saved
    settings = ("policy.actor.hidden=[9]", 'policy.actor.observe=["joint_angles"]', 'task.angular_velocity="vector"')
    acting = open_policy(path, toy("feedforward", *settings, 'task.goal="yaw"'))
    assert (acting.profile.task.goal, acting.profile.task.angular_velocity) == ("yaw", "quaternion")
    assert acting.profile.policy == profile.policy
    assert acting.chooser(1).observe == tuple(profile.policy.actor.observe)


def test_what_is_not_there_is_missing(toy):
    with pytest.raises(MissingError, match="no-such"):
        open_policy("no-such", toy())


@pytest.mark.parametrize("size", [200_000, 10**12])
def test_a_header_that_promises_more_than_the_file_holds_takes_no_memory(saved, tmp_path, size):
    _, profile, actor = saved
    network = msgspec.structs.replace(profile.policy.actor, hidden=[size, size])
    vast = msgspec.structs.replace(profile, policy=msgspec.structs.replace(profile.policy, actor=network))
    tensors = {f"actor.{name}": value for name, value in actor.state_dict().items()}
    checkpoint.write(
        tmp_path / "vast.safetensors", profile=vast, digest="0", progress=PROGRESS, tensors=tensors, program="1"
    )
    # Half a terabyte, or more than can be counted: making it would not end in a refusal.
    with pytest.raises(ProtocolError, match=r"vast\.safetensors: (actor\.|its header wants a network that cannot be)"):
        open_policy(str(tmp_path / "vast.safetensors"), None)

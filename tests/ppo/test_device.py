"""Where learning happens: on a device of its own with the same bits, and no look at the other memory."""

import msgspec
import pytest
import torch

from dexctl.errors import UnavailableError
from dexctl.policy import checkpoint
from dexctl.policy.precision import uses_bf16
from dexctl.policy.weights import to_arrays
from dexctl.ppo.device import learning_device
from dexctl.ppo.learner import Learner
from dexctl.ppo.peers import backend_for
from dexctl.profile.load import digest, load

from ..pretended_gpu import OnGpu, pretended_gpu

CPU = torch.device("cpu")
# What is pretended takes its time.
FEW = ("rollout.environments=4", "ppo.batch_steps=32", "ppo.epochs=1.0")


def taught(learner, made_up, seeds, first_fresh=True):
    """What each update told that a learner made of a made-up segment."""
    told = []
    for seed in seeds:
        learner.add(made_up(learner.profile, seed, 0.3, first_fresh), 0)
        told.append({name: value for name, value in vars(learner.update()).items() if name != "seconds"})
    return told


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(("kind", "whole"), [("feedforward", "false"), ("lstm", "true")])
def test_a_gpu_learns_what_the_processor_does(toy, made_up, kind, whole):
    profile = toy(kind, *FEW, f"ppo.whole_episodes={whole}", 'ppo.ratio="coordinate"')
    learner = Learner(profile, 2, 3)
    told = taught(learner, made_up, range(2), first_fresh=False)
    with pretended_gpu() as gpu:
        # As where physics has its state on it.
        torch.set_default_device(gpu)
        there = Learner(profile, 2, 3, gpu)
        told_there = taught(there, made_up, range(2), first_fresh=False)
        assert all(isinstance(parameter, OnGpu) for parameter in there.actor.parameters())
        state, published = there.state(), to_arrays(there.actor)
    assert told_there == told
    assert same(state, learner.state())
    assert not any(isinstance(tensor, OnGpu) for tensor in state.values())
    assert all((published[name] == array).all() for name, array in to_arrays(learner.actor).items())


def test_a_run_goes_on_bit_by_bit_on_another_device(toy, made_up, tmp_path):
    profile = toy("feedforward", *FEW)
    learner, path = Learner(profile, 2, 3), tmp_path / "a.safetensors"

    def saved(one):
        progress = checkpoint.Progress(version=one.version, steps=one.steps, seconds=1.0, learning_rate=0.01)
        checkpoint.write(path, profile=profile, digest="", progress=progress, tensors=one.state(), program="1")

    taught(learner, made_up, range(1))
    saved(learner)
    with pretended_gpu() as gpu:
        torch.set_default_device(gpu)
        there = Learner(profile, 2, 4, gpu)
        there.restore(checkpoint.read(path))
        there._seed = 3
        taught(there, made_up, range(1, 2))
        saved(there)
    back = Learner(profile, 2, 3)
    back.restore(checkpoint.read(path))
    taught(learner, made_up, range(1, 3))
    taught(back, made_up, range(2, 3))
    assert same(back.state(), learner.state())


@pytest.mark.parametrize(
    ("settings", "fused", "device"),
    [
        ((), False, "cpu"),
        ((), True, "cpu"),
        (("physics.backend='warp'",), False, "cpu"),
        (("physics.backend='warp'",), True, "cuda:1"),
        (("physics.backend='warp'", "physics.device='cuda:0'"), True, "cuda:0"),
        (("physics.backend='warp'", "physics.device='cpu'"), True, "cpu"),
        (("physics.backend='warp'", "ppo.device='cpu'"), True, "cpu"),
        (("ppo.device='cuda'",), False, "cuda:1"),
        (("ppo.device='cuda:0'",), False, "cuda:0"),
    ],
)
def test_the_profile_says_where(monkeypatch, settings, fused, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert learning_device(load("block", settings, {}).profile, fused, local_rank=1) == torch.device(device)


@pytest.mark.parametrize(("device", "count", "said"), [("cuda", 0, "no GPU here"), ("cuda:2", 2, "cuda:2 of 2 GPUs")])
def test_a_device_that_is_not_there_is_told(monkeypatch, device, count, said):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(UnavailableError, match=rf"ppo\.device: .*{said}(.|\n)*doctor"):
        learning_device(load("block", (f"ppo.device='{device}'",), {}).profile, fused=False)


def test_a_run_may_move_to_a_gpu_and_half_precision_is_where_the_hardware_has_it(monkeypatch):
    profile = load("block", (), {}).profile
    moved = msgspec.structs.replace(profile, ppo=msgspec.structs.replace(profile.ppo, device="cuda"))
    assert digest(moved) == digest(profile)
    for capability, has in (((7, 5), False), ((8, 0), True), ((9, 0), True)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, capability=capability: capability)
        assert uses_bf16("auto", torch.device("cuda")) is has


def test_what_lies_on_a_gpu_goes_over_nccl_and_the_rest_over_gloo():
    assert backend_for(CPU) == "gloo"
    assert backend_for(torch.device("cuda:1")) == "cpu:gloo,cuda:nccl"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is here")
@pytest.mark.parametrize("kind", ["feedforward", "lstm"])
def test_a_real_gpu_learns_nearly_the_same(toy, made_up, kind):
    profile = toy(kind)
    learner, there = Learner(profile, 2, 3), Learner(profile, 2, 3, torch.device("cuda"))
    told, told_there = (taught(one, made_up, range(1)) for one in (learner, there))
    assert told_there[0] == pytest.approx(told[0], rel=1e-2, abs=1e-3)
    networks = {name: value for name, value in learner.state().items() if name.startswith(("actor.", "critic."))}
    # Adam divides by the gradient's size, so that what rounds differently may move by the learning rate.
    for name, tensor in networks.items():
        torch.testing.assert_close(there.state()[name], tensor, rtol=0.02, atol=0.02)

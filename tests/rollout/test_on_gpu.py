"""Training in one process with physics on a GPU: the same bits, and nothing between but the device's own tensors."""

import itertools

import pytest
import torch

from dexctl.physics.cpu import CpuPhysics
from dexctl.ppo.learner import Learner
from dexctl.ppo.training import Training
from dexctl.reorient.action import num_actuators
from dexctl.rollout import collector
from dexctl.rollout.own_worker import OwnWorker
from dexctl.wire.arrivals import Segment

from ..pretended_gpu import OnGpu, pretended_gpu

STATE = ("qpos", "qvel", "ctrl", "applied_force", "actuator_length", "site_position", "sensor")


class GpuPhysics:
    """The processor's physics behind tensors of the pretended GPU, which are its memory."""

    def __init__(self, *arguments):
        self._inside = CpuPhysics(*arguments)
        self.num_simulations = self._inside.num_simulations
        for name in STATE:
            setattr(self, name, OnGpu(getattr(self._inside, name)))
        self.device = self.qpos.device

    def __getattr__(self, name):
        return getattr(self._inside, name)

    def step(self, ids=None):
        with torch.device("cpu"):
            return OnGpu(self._inside.step(None if ids is None else ids.inside))

    def place(self, ids, qpos, qvel):
        self._inside.place(ids.inside, qpos.inside, qvel.inside)

    def model_field(self, name):
        return OnGpu(self._inside.model_field(name))

    def derive_constants(self, ids):
        self._inside.derive_constants(ids.inside)


class Told(OwnWorker):
    """Remembers what it hands over."""

    def receive(self, timeout_s, wakeup_fd=None):
        arrivals = super().receive(timeout_s, wakeup_fd)
        self.handed = [arrival.arrays for arrival in arrivals if isinstance(arrival, Segment)]
        return arrivals


def trained(profile, device, updates):
    """The state after updates in one process, and the tensors of the last segment."""
    learner = Learner(profile, num_actuators(profile), 1, device)
    worker = Told(profile)
    told, minutes = [], itertools.count(0.0, 600.0)
    training = Training(learner, worker, lambda event, **fields: told.append(event), 1, clock=lambda: next(minutes))
    while training.updates < updates:
        training.turn(0.0)
    assert told == ["worker_joined", *["iteration"] * updates]
    return learner.state(), worker.handed[-1]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "updates"), [("block-small-lstm", 1), ("block-paper", 2)])
def test_experience_stays_on_the_gpu_and_teaches_what_it_would_elsewhere(toy, monkeypatch, name, updates):
    settings = ("rollout.environments=2", "rollout.segment_steps=4", "ppo.batch_steps=8", "physics.threads=1")
    profile = toy("lstm", *settings, 'ppo.autocast="off"', name=name)
    state, _ = trained(profile, torch.device("cpu"), updates)

    def on_gpu(*arguments):
        torch.set_default_device("pretended")
        return GpuPhysics(*arguments)

    monkeypatch.setattr(collector, "make_physics", on_gpu)
    with pretended_gpu() as gpu:
        there, segment = trained(profile, gpu, updates)
    assert all(isinstance(tensor, OnGpu) for tensor in segment.values())
    assert there.keys() == state.keys()
    assert [name for name, tensor in state.items() if not torch.equal(there[name], tensor)] == []

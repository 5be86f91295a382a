"""mujoco-warp beside MuJoCo's own batch, on the best device there is: without a GPU, on Warp's CPU device."""

import dataclasses
import importlib
import importlib.util

import msgspec
import mujoco
import pytest
import torch

from dexctl import randomness
from dexctl.errors import DataError, UnavailableError
from dexctl.physics.cpu import CpuPhysics
from dexctl.physics.failure import is_failure
from dexctl.physics.making import make_physics
from dexctl.physics.warp import WarpPhysics
from dexctl.profile.load import load
from dexctl.randomize.dynamics import Dynamics
from dexctl.rollout.collector import Collector
from dexctl.scene.build import build_scene

PROFILE = load("block-paper", ("physics.backend='warp'", "physics.threads=1"), {}).profile
INSTALLED = importlib.util.find_spec("mujoco_warp") is not None
needs_warp = pytest.mark.skipif(not INSTALLED, reason="mujoco-warp is not installed: pip install 'dexctl[gpu]'")
COUNT = 6


@pytest.fixture(scope="module")
def scene():
    return build_scene(PROFILE)


@pytest.fixture
def default_device():
    """Where the task's tensors are made, given back after a test that moved it to a GPU."""
    yield
    torch.set_default_device("cpu")


@pytest.fixture
def both(scene, default_device):
    """The same simulations on both, each with the object let go over a palm of randomized physics."""
    cpu, warp = CpuPhysics(scene, COUNT, PROFILE.physics), WarpPhysics(scene, COUNT, PROFILE.physics)
    qpos = torch.from_numpy(scene.model.qpos0.copy()).repeat(COUNT, 1)
    qpos[:, scene.object_qpos : scene.object_qpos + 3] = torch.tensor(PROFILE.object.spawn_m, dtype=torch.float64)
    for physics in (cpu, warp):
        torch.set_default_device(physics.device)
        ids = torch.arange(COUNT)
        dynamics = Dynamics(PROFILE.randomize.physics, scene, physics)
        dynamics.begin(ids, randomness.derive(randomness.key(0).expand(COUNT), ids))
        physics.place(ids, qpos.to(physics.device), torch.zeros(COUNT, scene.model.nv))
    torch.set_default_device("cpu")
    return cpu, warp


def step(physics, step, ids=None):
    """One control step towards random targets, the same on every backend."""
    ranges = torch.as_tensor(physics.scene.model.actuator_ctrlrange)
    key = randomness.derive(randomness.key(1).expand(COUNT), step, torch.arange(COUNT))
    drawn = randomness.uniform(key, len(ranges))
    physics.ctrl[:] = (ranges[:, 0] + drawn * (ranges[:, 1] - ranges[:, 0])).to(physics.device)
    return physics.step(ids)


def apart(cpu, warp, name):
    """The largest difference of each simulation, (N,)."""
    return (getattr(cpu, name) - getattr(warp, name).cpu()).abs().flatten(1).max(dim=1).values


@needs_warp
def test_a_device_that_is_not_there_is_told(scene):
    nowhere = msgspec.structs.replace(PROFILE.physics, device="cuda:99")
    with pytest.raises(UnavailableError, match=r"physics\.device.*cuda:99"):
        make_physics(scene, 1, nowhere)


@needs_warp
def test_what_the_engine_does_not_simulate_is_named(scene):
    links = "<body><joint/><geom size='1'/></body>" * 61
    many = mujoco.MjModel.from_xml_string(f"<mujoco><option jacobian='dense'/><worldbody>{links}</worldbody></mujoco>")
    odd = dataclasses.replace(scene, model=many)
    with pytest.raises(DataError, match=r"Dense is unsupported for nv > 60(.|\n)*physics\.backend"):
        make_physics(odd, 1, msgspec.structs.replace(PROFILE.physics, device="cpu"))


def test_without_the_wheel_the_extra_is_named(scene, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(UnavailableError, match=r"dexctl\[gpu\]"):
        make_physics(scene, 1, PROFILE.physics)


@needs_warp
@pytest.mark.slow
def test_five_steps_with_randomized_physics_stay_beside_the_cpu_s(both):
    cpu, warp = both
    for number in range(3):
        step(cpu, number)
    # Where a contact just begins or ends, one step in float32 may be another's; half of all must be all but equal.
    for number in range(3, 8):
        warp.qpos[:], warp.qvel[:] = cpu.qpos, cpu.qvel
        for physics in both:
            assert not len(step(physics, number))
        for name, typical, at_most in (
            ("qpos", 1e-3, 0.03),
            ("site_position", 1e-4, 2e-3),
            ("actuator_length", 1e-3, 0.03),
        ):
            differences = apart(cpu, warp, name)
            assert float(differences.median()) < typical, (number, name, differences)
            assert float(differences.max()) < at_most, (number, name, differences)
        assert torch.equal(cpu.sensor[:, ::2] > 0, warp.sensor.cpu()[:, ::2] > 0)
    assert float((cpu.qpos[0] - cpu.qpos[1]).abs().max()) > 1e-3


@needs_warp
@pytest.mark.slow
def test_constants_follow_each_simulation_s_own_fields(both):
    cpu, warp = both
    for name in ("body_subtreemass", "body_invweight0", "dof_invweight0", "tendon_invweight0", "actuator_acc0"):
        expected = torch.stack([torch.as_tensor(getattr(cpu.batch.get_model(sim), name)) for sim in range(COUNT)])
        # MuJoCo has no motion of the world to speak of, and Warp's float32 no more digits than this.
        torch.testing.assert_close(warp.model_field(name).cpu(), expected, rtol=2e-3, atol=1e-6)
    mass = warp.model_field("body_mass")
    assert float(mass.std(dim=0).max()) > 0


@needs_warp
@pytest.mark.slow
def test_only_those_asked_for_step_and_placing_sets_a_state(both, scene):
    _, warp = both
    before = warp.qpos.clone(), warp.site_position.clone()
    assert not len(step(warp, 0, torch.tensor([1, 4], device=warp.device)))
    moved = (warp.qpos != before[0]).any(dim=1)
    assert moved.tolist() == [False, True, False, False, True, False]
    assert warp.steps == 2
    assert torch.equal(warp.site_position[~moved], before[1][~moved])
    start = before[0][:1].double(), torch.zeros(1, scene.model.nv, device=warp.device)
    warp.applied_force[1, scene.object_body, 2] = 1.0
    warp.place(torch.tensor([1], device=warp.device), *start)
    assert torch.equal(warp.qpos[1], before[0][0])
    assert not warp.applied_force[1].any()
    assert not warp.ctrl[1].any()
    torch.testing.assert_close(warp.site_position[1], warp.site_position[0])


@needs_warp
@pytest.mark.slow
def test_a_broken_simulation_is_named_written_down_and_goes_on_once_placed(scene, tmp_path, default_device):
    physics = WarpPhysics(scene, COUNT, PROFILE.physics, tmp_path)
    start = physics.qpos[:1].clone(), physics.qvel[:1].clone()
    assert not len(physics.step())
    physics.qvel[2, 3] = float("nan")
    assert physics.step().tolist() == [2]
    assert physics.failures == 1
    (dump,) = tmp_path.iterdir()
    assert is_failure(dump)
    physics.place(torch.tensor([2], device=physics.device), *start)
    assert not len(physics.step())
    assert bool(torch.isfinite(physics.qpos).all())


@needs_warp
@pytest.mark.slow
def test_contacts_that_do_not_fit_are_an_error(scene, default_device):
    physics = WarpPhysics(scene, COUNT, msgspec.structs.replace(PROFILE.physics, max_constraints=8))
    with pytest.raises(DataError, match=r"NEFC.*8 rows.*\n.*physics\.max_constraints"):
        physics.step()


@needs_warp
@pytest.mark.slow
def test_the_same_task_collects_experience_on_it_without_a_word(default_device, capfd):
    settings = (
        *("physics.backend='warp'", "rollout.environments=4", "rollout.segment_steps=2", "ppo.chunk_steps=2"),
        *("ppo.batch_steps=8", "ppo.minibatches=1", "task.start_bank=4", "task.start_refresh=2"),
        "task.start_random_steps=2",
    )
    collector = Collector(load("block-paper", settings, {}).profile, 0, 0)
    assert isinstance(collector.physics, WarpPhysics)
    segments = [collector.collect() for _ in range(2)]
    assert all(bool(torch.isfinite(torch.from_numpy(array)).all()) for one in segments for array in one.values())
    assert float(abs(segments[0]["actor_observation"] - segments[1]["actor_observation"]).max()) > 0.01
    assert collector.physics.failures == 0
    assert capfd.readouterr().out == ""

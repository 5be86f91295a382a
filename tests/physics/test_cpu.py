"""Many simulations on a pool of threads: each goes its own way, and one that breaks is told from the rest."""

import msgspec
import mujoco
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from dexctl.errors import DataError
from dexctl.physics.cpu import CpuPhysics
from dexctl.physics.failure import is_failure, replay_failure
from dexctl.profile.load import load
from dexctl.scene.build import build_scene

PROFILE = load("block", (), {}).profile


@pytest.fixture(scope="module")
def scene():
    return build_scene(PROFILE)


@pytest.fixture
def simulations(scene):
    def make(count=4, dump_folder=None, **changes):
        return CpuPhysics(scene, count, msgspec.structs.replace(PROFILE.physics, **changes), dump_folder)

    return make


def shake(physics, scene, steps, seed=0):
    """States along a run of random targets; each simulation has its own, whatever stands beside it."""
    low, high = torch.from_numpy(scene.model.actuator_ctrlrange.T.copy())
    states = []
    for step in range(steps):
        for row in range(physics.num_simulations):
            generator = torch.Generator().manual_seed(1000 * (seed + row) + step)
            physics.ctrl[row] = low + (high - low) * torch.rand(20, generator=generator, dtype=torch.float64)
        assert not len(physics.step())
        states.append(torch.cat((physics.qpos, physics.qvel, physics.actuator_length), dim=1).clone())
    return torch.stack(states)


def test_one_thread_or_two_or_many_make_the_same_bits(simulations, scene):
    runs = [shake(simulations(6, threads=threads), scene, 25) for threads in (1, 2, 5)]
    assert torch.equal(runs[0], runs[1])
    assert torch.equal(runs[0], runs[2])
    assert float(runs[0][-1].std(dim=0).max()) > 0.1


def test_a_simulation_is_the_same_alone_and_in_a_crowd(simulations, scene):
    crowd = shake(simulations(5), scene, 25)
    alone = shake(simulations(1), scene, 25, seed=3)
    assert torch.equal(crowd[:, 3:4], alone)


def test_the_state_is_mujoco_s_own_after_the_same_steps(simulations, scene):
    physics = simulations(2)
    states = shake(physics, scene, 10)
    data = mujoco.MjData(scene.model)
    low, high = torch.from_numpy(scene.model.actuator_ctrlrange.T.copy())
    for step in range(10):
        generator = torch.Generator().manual_seed(1000 + step)
        data.ctrl[:] = (low + (high - low) * torch.rand(20, generator=generator, dtype=torch.float64)).numpy()
        mujoco.mj_step(scene.model, data, PROFILE.physics.substeps)
        mujoco.mj_fwdPosition(scene.model, data)
        expected = np.concatenate([data.qpos, data.qvel, data.actuator_length])
        np.testing.assert_allclose(states[step, 1].numpy(), expected, atol=1e-9)
    np.testing.assert_allclose(physics.site_position[1].numpy(), data.site_xpos, atol=1e-9)


def test_only_those_asked_for_step(simulations):
    physics = simulations(5)
    before = physics.qpos.clone()
    some = torch.tensor([1, 4])
    assert not len(physics.step(some))
    moved = (physics.qpos != before).any(dim=1)
    assert moved.tolist() == [False, True, False, False, True]
    assert physics.steps == 2


def test_placing_sets_the_state_and_what_follows_from_it_and_clears_the_rest(simulations, scene):
    physics, fresh = simulations(3), simulations(3)
    shake(physics, scene, 5)
    physics.applied_force[1, scene.object_body, 2] = 1.0
    ids = torch.tensor([1])
    qpos, qvel = physics.qpos[2:3].clone(), physics.qvel[2:3].clone()
    others = physics.qpos[[0, 2]].clone()
    for one in (physics, fresh):
        one.place(ids, qpos, qvel)
    assert torch.equal(physics.qpos[1:2], qpos)
    assert torch.equal(physics.qvel[1:2], qvel)
    assert torch.equal(physics.site_position[1], physics.site_position[2])
    assert torch.equal(physics.actuator_length[1], physics.actuator_length[2])
    assert torch.equal(physics.qpos[[0, 2]], others)
    assert not physics.applied_force[1].any()
    assert not physics.ctrl[1].any()
    # Nothing of its past goes on: it moves like one that never had any.
    for one in (physics, fresh):
        one.ctrl[1] = 0.1
        one.step(ids)
    assert torch.equal(physics.qpos[1], fresh.qpos[1])


def test_nobody_is_placed_where_nobody_is_asked_for(simulations):
    physics = simulations(2)
    before = physics.qpos.clone()
    physics.place(torch.empty(0, dtype=torch.int64), torch.empty(0, 31), torch.empty(0, 30))
    assert not len(physics.step(torch.empty(0, dtype=torch.int64)))
    assert torch.equal(physics.qpos, before)


def break_position(physics, row):
    physics.qpos[row, 3] = float("nan")


def break_velocity(physics, row):
    physics.qvel[row, 28] = 1e12


def break_control(physics, row):
    physics.ctrl[row, 7] = float("nan")


def break_force(physics, row):
    physics.applied_force[row, -1, 0] = float("nan")


BREAKS = {
    "mjWARN_BADQPOS": break_position,
    "mjWARN_BADQVEL": break_velocity,
    "mjWARN_BADCTRL": break_control,
    "mjWARN_BADQACC": break_force,
}


@pytest.mark.parametrize("warning", BREAKS)
def test_a_broken_simulation_is_reported_counted_and_written_down_to_break_again(simulations, tmp_path, warning):
    physics = simulations(4, tmp_path)
    physics.step()
    BREAKS[warning](physics, 2)
    assert physics.step().tolist() == [2]
    assert physics.failures == 1
    (dump,) = tmp_path.iterdir()
    assert is_failure(dump)
    assert warning in replay_failure(dump)


def test_a_broken_simulation_goes_on_once_it_is_placed_anew(simulations, scene):
    physics = simulations(3)
    start = physics.qpos[0:1].clone(), physics.qvel[0:1].clone()
    for breaking in BREAKS.values():
        breaking(physics, 1)
        assert physics.step().tolist() == [1]
        physics.place(torch.tensor([1]), *start)
        assert not len(physics.step())
        assert bool(torch.isfinite(physics.qpos).all())
    assert physics.failures == len(BREAKS)


def test_each_of_several_broken_simulations_is_named_and_so_many_are_dumped(simulations, tmp_path):
    physics = simulations(6, tmp_path, dump_failures=3)
    for row in (0, 3):
        break_position(physics, row)
    assert physics.step(torch.tensor([0, 2, 3])).tolist() == [0, 3]
    for row in (1, 4, 5):
        break_velocity(physics, row)
    assert physics.step().tolist() == [1, 4, 5]
    assert physics.failures == 5
    assert len(list(tmp_path.iterdir())) == 3


def test_a_dump_holds_the_simulation_s_own_model(simulations, scene, tmp_path):
    physics = simulations(3, tmp_path)
    physics.batch.expand("body_mass")[1, scene.object_body] = 0.5
    break_position(physics, 1)
    assert physics.step().tolist() == [1]
    (dump,) = tmp_path.iterdir()
    model = mujoco.MjModel.from_binary_path("m.mjb", {"m.mjb": load_file(dump)["model"].tobytes()})
    assert model.body_mass[scene.object_body] == 0.5


def test_nothing_is_written_beside_the_dumps(simulations, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    physics = simulations(2)
    break_position(physics, 0)
    assert len(physics.step()) == 1
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_past_the_stated_share_of_failures_the_run_ends(simulations):
    physics = simulations(50, failure_share=0.001, substeps=1)
    # Ten of ten thousand steps are the stated share.
    while physics.steps < 10_000:
        if physics.failures < 10:
            break_position(physics, 7)
        physics.step()
    assert physics.failures == 10
    break_position(physics, 7)
    with pytest.raises(DataError, match=r"11 of 10050 steps .* physics\.failure_share"):
        physics.step()


def test_few_failures_in_few_steps_end_nothing(simulations):
    physics = simulations(4, failure_share=0.0)
    for _ in range(20):
        break_position(physics, 1)
        assert len(physics.step()) == 1
    assert physics.failures == 20


@pytest.mark.parametrize("content", [b"", b"no such thing", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_file_that_is_no_dump_is_refused(tmp_path, content):
    path = tmp_path / "dump.safetensors"
    path.write_bytes(content)
    assert not is_failure(path)
    with pytest.raises(DataError, match=r"dump\.safetensors"):
        replay_failure(path)


def test_a_dump_of_another_mujoco_is_refused(simulations, tmp_path, monkeypatch):
    physics = simulations(2, tmp_path)
    break_position(physics, 0)
    physics.step()
    (dump,) = tmp_path.iterdir()
    monkeypatch.setattr(mujoco, "__version__", "9.9.9")
    with pytest.raises(DataError, match=r"this is 9\.9\.9"):
        replay_failure(dump)

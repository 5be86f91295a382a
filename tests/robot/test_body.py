import numpy as np
import torch

from dexctl.physics.cpu import CpuPhysics
from dexctl.scene.build import build_scene

from .conftest import make_body


def test_without_a_gap_it_steps_bit_for_bit_as_the_training_does(same):
    body, physics = make_body(same), CpuPhysics(build_scene(same), 1, same.physics)
    physics.place(torch.arange(1), torch.from_numpy(body.data.qpos).unsqueeze(0), torch.zeros(1, body.scene.model.nv))
    rng = np.random.default_rng(0)
    for _ in range(20):
        target = body.target_of(rng.uniform(-0.3, 0.3, 20))
        physics.ctrl[0] = torch.from_numpy(target)
        physics.step()
        for _ in range(same.physics.substeps):
            body.step(target)
        assert np.array_equal(body.data.qpos, physics.qpos[0].numpy())
        assert np.array_equal(body.data.actuator_length, physics.actuator_length[0].numpy())
        assert np.array_equal(body.data.site_xpos, physics.site_position[0].numpy())
    assert np.abs(body.data.qvel).max() > 0.01


def test_a_slack_tendon_does_not_pull(twin):
    body = make_body(twin)
    slack = body._slack
    assert (slack > 0).any()
    here = body.sensed_lengths()
    body.step(here + 0.9 * slack)
    damping = body.scene.model.actuator_biasprm[:, 2] * body.data.actuator_velocity
    assert np.allclose(body.data.actuator_force, np.zeros(20), atol=np.abs(damping).max() + 1e-9)
    body.step(body.sensed_lengths() + slack + 0.05)
    assert (body.data.actuator_force[[3, 6, 9]] > 0.01).all()


def test_history_goes_back_and_its_newest_row_is_now(twin):
    body = make_body(twin)
    for _ in range(10):
        body.step(None)
    newest = body.steps % body.rows
    assert np.array_equal(body.history.angles(newest), body.data.qpos[body.scene.joint_qpos])
    assert not np.array_equal(body.history.angles(newest), body.history.angles(newest - 5))


def test_a_coupled_motor_turns_by_the_sum_of_its_joints(same):
    body = make_body(same)
    assert body.reads.shape == (20, 24)
    lengths = body.reads @ body.data.qpos[body.scene.joint_qpos]
    assert np.allclose(lengths, body.data.actuator_length, atol=1e-12)

"""What the networks see: the sizes that are stated, in the frames that are stated, read from the simulation."""

import mujoco
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from dexctl import rotation
from dexctl.errors import ProfileError
from dexctl.profile.check import OBSERVATIONS
from dexctl.profile.load import load
from dexctl.reorient import observation


def body_velocity(env, row):
    """MuJoCo's own world-frame angular and linear velocity of the object's centre, rad/s and m/s."""
    scene = env._scene
    data = mujoco.MjData(scene.model)
    data.qpos[:], data.qvel[:] = env.physics.qpos[row].numpy(), env.physics.qvel[row].numpy()
    mujoco.mj_forward(scene.model, data)
    velocity = np.empty(6)
    mujoco.mj_objectVelocity(scene.model, data, mujoco.mjtObj.mjOBJ_BODY, scene.object_body, velocity, 0)
    return velocity[:3], velocity[3:]


@pytest.fixture
def moving(make_plain, actions):
    env = make_plain(3, ["task.start_random_steps=3"])
    for step in range(5):
        env.step(actions(env, step))
    return env


def test_known_observations_are_those_a_profile_may_name():
    profile = load("block", [], {}).profile
    assert tuple(observation.sizes(profile)) == OBSERVATIONS
    with pytest.raises(ProfileError, match="colour"):
        observation.total_size(["object_position", "colour"], profile)


def test_the_two_networks_see_22_and_85_numbers(moving):
    policy = moving.profile.policy
    seen = moving.observe()
    assert observation.concatenate(seen, policy.actor.observe).shape == (3, 22)
    assert observation.concatenate(seen, policy.critic.observe).shape == (3, 85)


def test_named_observations_stand_side_by_side_in_order(moving):
    seen = moving.observe()
    both = observation.concatenate(seen, ["joint_angles", "object_position"])
    assert both.dtype == torch.float32
    assert torch.equal(both[:, :24], seen["joint_angles"].float())
    assert torch.equal(both[:, 24:], seen["object_position"].float())


def test_joints_and_block_are_the_simulation_s(moving):
    seen, physics = moving.observe(), moving.physics
    assert torch.equal(seen["joint_angles"], physics.qpos[:, :24])
    assert torch.equal(seen["joint_velocities"], physics.qvel[:, :24])
    spawn = torch.tensor(moving.profile.object.spawn_m, dtype=torch.float64)
    torch.testing.assert_close(seen["object_position"] + spawn, physics.qpos[:, 24:27])
    for row in range(3):
        turn = Rotation.from_quat(seen["object_orientation"][row].numpy(), scalar_first=True)
        there = Rotation.from_quat(physics.qpos[row, 27:31].numpy(), scalar_first=True)
        assert (turn.inv() * there).magnitude() < 1e-7


def test_the_relative_target_takes_the_block_to_the_goal(moving):
    seen = moving.observe()
    for row in range(3):
        relative, block, goal = (
            Rotation.from_quat(seen[name][row].numpy(), scalar_first=True)
            for name in ("relative_target_orientation", "object_orientation", "target_orientation")
        )
        assert (goal.inv() * relative * block).magnitude() < 1e-7
        assert relative.magnitude() == pytest.approx(float(moving.angle_rad[row]))
        assert float(seen["relative_target_orientation"][row, 0]) >= 0.0


def test_turned_onto_another_face_the_block_without_letters_and_its_way_look_the_same(moving):
    seen = moving.observe()
    for face in rotation.cube_group()[1:]:
        block, goal = (rotation.multiply(seen[f"{name}_orientation"], face) for name in ("object", "target"))
        turned = observation.orientations(block, goal)
        for name in ("object_orientation_cube", "relative_target_matrix"):
            torch.testing.assert_close(turned[name], seen[name], atol=1e-12, rtol=0)
        assert not torch.allclose(turned["object_orientation"], seen["object_orientation"])


def test_the_relative_target_s_matrix_is_its_quaternion_s(moving):
    seen = moving.observe()
    for row in range(3):
        turn = Rotation.from_quat(seen["relative_target_orientation"][row].numpy(), scalar_first=True)
        np.testing.assert_allclose(seen["relative_target_matrix"][row].view(3, 3).numpy(), turn.as_matrix(), atol=1e-12)


def test_the_block_s_velocities_are_those_of_the_world(make_plain, actions):
    quaternion = make_plain(2, ["task.start_random_steps=3"])
    vector = make_plain(2, ["task.start_random_steps=3", 'task.angular_velocity="vector"'])
    for env in (quaternion, vector):
        for step in range(3):
            env.step(actions(env, step))
        # A turn that is not about an axis of the block, so that its own frame and the world's differ.
        env.physics.qvel[:, 27:30] = torch.tensor([1.0, -2.0, 0.5])
    for row in range(2):
        spin, linear = body_velocity(vector, row)
        np.testing.assert_allclose(vector.observe()["object_angular_velocity"][row].numpy(), spin, atol=1e-9)
        np.testing.assert_allclose(vector.observe()["object_velocity"][row].numpy(), linear, atol=1e-9)
        turned = Rotation.from_quat(quaternion.observe()["object_angular_velocity"][row].numpy(), scalar_first=True)
        np.testing.assert_allclose(turned.as_rotvec(), spin * 0.08, atol=1e-9)


def test_the_base_s_markers_span_a_right_handed_frame():
    base = torch.tensor([[[0.961, 1.025, 0.169], [1.039, 1.025, 0.169], [1.039, 1.025, 0.091]]])
    origin, frame = observation.marker_frame(base)
    torch.testing.assert_close(origin[0], base[0, 1])
    expected = torch.tensor([[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]])
    torch.testing.assert_close(frame[0], expected)
    assert float(torch.linalg.det(frame[0])) == pytest.approx(1.0)


def test_fingertips_are_seen_from_the_base_however_it_stands():
    generator = np.random.default_rng(5)
    tips, base = generator.normal(size=(5, 3)), generator.normal(size=(3, 3))
    seen = observation.fingertips_in_frame(torch.from_numpy(tips)[None], torch.from_numpy(base)[None])
    assert seen.shape == (1, 15)
    turn, shift = Rotation.from_rotvec([0.3, -1.2, 2.0]).as_matrix(), np.array([1.0, -2.0, 0.5])
    moved = observation.fingertips_in_frame(
        torch.from_numpy(tips @ turn.T + shift)[None], torch.from_numpy(base @ turn.T + shift)[None]
    )
    torch.testing.assert_close(seen, moved)
    apart = np.linalg.norm(tips - base[1], axis=1)
    np.testing.assert_allclose(seen.reshape(5, 3).norm(dim=1).numpy(), apart)


def test_fingertips_of_the_hand_are_where_its_markers_are(moving):
    scene, seen = moving._scene, moving.observe()["fingertip_positions"].reshape(3, 5, 3)
    data = mujoco.MjData(scene.model)
    for row in range(3):
        data.qpos[:] = moving.physics.qpos[row].numpy()
        mujoco.mj_kinematics(scene.model, data)
        offset = data.site_xpos[scene.fingertip_sites] - data.site_xpos[scene.base_sites[1]]
        # The base's frame: x and z point against the world's, y with it.
        np.testing.assert_allclose(seen[row].numpy(), offset * [-1.0, 1.0, -1.0], atol=1e-9)


def test_memory_of_the_actions_is_seen(make_plain, actions):
    env = make_plain(2, ["task.start_random_steps=3"])
    seen = env.observe()
    assert not seen["previous_action"].any()
    assert not seen["action_average"].any()
    first, second = actions(env, 0), actions(env, 1)
    env.step(first)
    env.step(second)
    seen = env.observe()
    values = [bins.double() / 5.0 - 1.0 for bins in (first, second)]
    torch.testing.assert_close(seen["previous_action"], values[1])
    torch.testing.assert_close(seen["action_average"], (0.3 * 0.7 * values[0] + 0.7 * values[1]) / (1 - 0.09))
    assert seen["time_left"].tolist() == [[pytest.approx(0.98)]] * 2

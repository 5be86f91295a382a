import msgspec
import numpy as np
import pytest

from dexctl.robot import gap
from dexctl.robot.protocol import QUANTITIES, State
from dexctl.robot.sensing import SENSES, Sensing

from .conftest import make_body


def sensing_of(profile, seed=0, **sensors):
    changed = msgspec.structs.replace(profile.robot, sensors=msgspec.structs.replace(profile.robot.sensors, **sensors))
    body = make_body(profile, seed)
    return body, Sensing(body, changed.sensors, gap.draw(changed, seed), seed)


def test_it_says_every_quantity_with_its_shape_and_only_finite_numbers(twin):
    body, sensing = sensing_of(twin)
    for _ in range(200):
        body.step(None)
    values = sensing.read(0.4)
    assert tuple(values) == SENSES
    sizes = {"J": 24, "A": 20}
    for name, value in values.items():
        assert value.shape == tuple(sizes.get(n, n) for n in QUANTITIES[name]), name
        assert value.dtype == np.float64
        assert np.isfinite(value).all()


def test_without_a_gap_it_says_the_truth(same):
    body, sensing = sensing_of(same)
    for _ in range(30):
        body.step(body.target_of(np.full(20, 0.1)))
    values, data = sensing.read(0.24), body.data
    assert np.array_equal(values["joint_angles"], data.qpos[body.scene.joint_qpos])
    assert np.array_equal(values["joint_velocities"], data.qvel[body.scene.joint_dof])
    assert np.array_equal(values["actuator_angles"], data.actuator_length)
    assert np.array_equal(values["fingertip_markers"], data.site_xpos[body.scene.fingertip_sites])
    at = body.scene.object_qpos
    assert np.array_equal(values["object_orientation"], data.qpos[at + 3 : at + 7])
    assert values["fingertip_age"].max() == 0.0


def test_a_delayed_sensor_says_what_was(same):
    body, sensing = sensing_of(same, joint_delay_s=(0.04, 0.04))
    said, true = [], []
    for step in range(20):
        body.step(body.target_of(np.full(20, 0.2)))
        true.append(body.data.qpos[body.scene.joint_qpos].copy())
        said.append(sensing.read(0.008 * step)["joint_angles"])
    assert np.array_equal(said[-1], true[-6])
    assert sensing.read(1.0)["joint_age"] == pytest.approx(0.04)


def test_a_lost_marker_keeps_its_last_place_and_grows_old(same):
    body, sensing = sensing_of(same, marker_loss_per_s=(30.0, 30.0), marker_loss_s=(0.3, 0.3))
    ages, frozen = [], 0
    before = sensing.read(0.0)["fingertip_markers"]
    for step in range(1, 100):
        body.step(body.target_of(np.full(20, 0.05)))
        values = sensing.read(0.008 * step)
        hidden = values["fingertip_age"] > 0
        assert np.array_equal(values["fingertip_markers"][hidden], before[hidden])
        frozen += int(hidden.sum())
        before = values["fingertip_markers"]
        ages.append(values["fingertip_age"].max())
    assert frozen > 50
    assert 0.25 < max(ages) < 0.35


def test_markers_that_were_lost_in_a_long_silence_have_mostly_been_found_again(same):
    _, sensing = sensing_of(same, marker_loss_per_s=(0.5, 0.5), marker_loss_s=(0.2, 0.2))
    ages = np.array([sensing.read(50.0 * reading)["fingertip_age"] for reading in range(200)])
    assert (ages > 0).mean() == pytest.approx(0.1, abs=0.04)


def test_a_robot_that_is_put_into_a_state_sees_its_markers_there(same):
    body, sensing = sensing_of(same, marker_loss_per_s=(1e3, 1e3), marker_loss_s=(9.0, 9.0))
    sensing.read(0.0)
    for step in range(1, 30):
        body.step(body.target_of(np.full(20, 0.1)))
        said = sensing.read(0.008 * step)["fingertip_markers"]
    newest = body.steps % body.rows
    assert np.abs(said - body.history.markers(newest)).max() > 1e-3
    pose = body.history.object_pose(newest)
    body.place(State(body.history.angles(newest), np.zeros(24), pose, np.zeros(6), np.zeros(30)))
    values = sensing.read(0.24)
    assert np.array_equal(values["fingertip_markers"], body.history.markers(newest))
    assert values["fingertip_age"].max() == 0.0


def test_noise_has_the_spread_that_the_robot_was_drawn_with(twin):
    _, sensing = sensing_of(twin)
    member = gap.draw(twin.robot, 0)
    angles = np.array([sensing.read(0.001 * k)["joint_angles"] for k in range(400)])
    assert angles.std(axis=0).mean() == pytest.approx(member.joint_noise_rad, rel=0.1)
    assert angles.mean(axis=0).shape == (24,)


def test_velocities_are_differences_over_the_window(same):
    body, sensing = sensing_of(same, velocity_window_s=0.04)
    angles = []
    for _ in range(20):
        body.step(body.target_of(np.full(20, 0.2)))
        angles.append(body.data.qpos[body.scene.joint_qpos].copy())
    expected = (angles[-1] - angles[-6]) / 0.04
    assert np.allclose(sensing.read(0.16)["joint_velocities"], expected, atol=1e-9)

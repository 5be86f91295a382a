"""The hand: what it weighs, how it stands, and that each of its motors reaches where it is sent."""

import math

import mujoco
import numpy as np
import pytest

from dexctl.profile.load import load
from dexctl.scene import names
from dexctl.scene.build import build_scene

# Appendix F.1, in kg; the forearm 4 kg, the rest of the 5.011 kg is the mount.
LINKS_KG = {"wrist": 0.3, "palm": 0.3, "knuckle": 0.008, "proximal": 0.014, "middle": 0.012, "distal": 0.010}
LITTLE_FINGER_KG = {"metacarpal": 0.075}
THUMB_KG = {"base": 0.010, "proximal": 0.016, "hub": 0.002, "middle": 0.016, "distal": 0.016}
REACH_STEPS, REACH_RAD = 100, math.radians(7.5)
FINGERS = ("FF", "MF", "RF", "LF")


@pytest.fixture(scope="module", params=["2018", "gym"])
def scene(request):
    return build_scene(load("block-paper", [f'hand.gains="{request.param}"'], {}).profile)


@pytest.fixture(scope="module")
def calibrated():
    return build_scene(load("block-paper", (), {}).profile)


def mass_kg(model, name):
    return float(model.body(names.in_model(name)).mass[0])


def test_hand_weighs_what_its_links_do(scene):
    model = scene.model
    hand = model.body(names.in_model("hand mount")).id
    assert float(f"{model.body_subtreemass[hand]:.4g}") == 5.011
    assert mass_kg(model, "forearm") == pytest.approx(4.0)
    for link in ("wrist", "palm"):
        assert mass_kg(model, link) == pytest.approx(LINKS_KG[link])
    for finger in ("ff", "mf", "rf", "lf"):
        for link in ("knuckle", "proximal", "middle", "distal"):
            assert mass_kg(model, finger + link) == pytest.approx(LINKS_KG[link])
    for finger, links in (("lf", LITTLE_FINGER_KG), ("th", THUMB_KG)):
        for link, kg in links.items():
            assert mass_kg(model, finger + link) == pytest.approx(kg)


def test_links_turn_like_what_they_weigh(scene):
    model = scene.model
    for link in ("wrist", "palm"):
        np.testing.assert_allclose(model.body(names.in_model(link)).inertia, 1e-3, rtol=0.5)
    for finger in ("ff", "mf", "rf", "lf"):
        for link in ("proximal", "middle", "distal"):
            np.testing.assert_allclose(model.body(names.in_model(finger + link)).inertia, 1e-5, rtol=0.5)


def test_what_is_only_for_the_eye_touches_nothing(scene):
    model = scene.model
    seen = [model.geom(index) for index in range(model.ngeom) if "V_" in model.geom(index).name]
    assert len(seen) == 25
    assert [geom.name for geom in seen if geom.contype[0] or geom.conaffinity[0]] == []


def matrix_of(quaternion_wxyz):
    """A quaternion's 3 x 3 matrix, written out."""
    w, x, y, z = quaternion_wxyz
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def transform(rotation, translation):
    """A 4 x 4 matrix."""
    whole = np.eye(4)
    whole[:3, :3], whole[:3, 3] = rotation, translation
    return whole


def about(axis, angle):
    """Rodrigues' formula."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross


def pose_by_hand(model, body, qpos):
    """World pose of a body of the hand: the product of all transforms from the world down to it."""
    if body == 0:
        return np.eye(4)
    pose = pose_by_hand(model, model.body_parentid[body], qpos)
    pose = pose @ transform(matrix_of(model.body_quat[body]), model.body_pos[body])
    first = model.body_jntadr[body]
    for joint in range(first, first + model.body_jntnum[body]):
        anchor = model.jnt_pos[joint]
        turn = about(model.jnt_axis[joint], qpos[model.jnt_qposadr[joint]])
        pose = pose @ transform(np.eye(3), anchor) @ transform(turn, -turn @ anchor)
    return pose


def test_fingertips_stand_where_the_chain_of_joints_puts_them(scene):
    model = scene.model
    data = mujoco.MjData(model)
    generator = np.random.default_rng(3)
    for _ in range(20):
        data.qpos[:24] = generator.uniform(model.jnt_range[:24, 0], model.jnt_range[:24, 1])
        mujoco.mj_kinematics(model, data)
        for site in scene.fingertip_sites:
            pose = pose_by_hand(model, int(model.site_bodyid[site]), data.qpos)
            np.testing.assert_allclose((pose @ [*model.site_pos[site], 1.0])[:3], data.site_xpos[site], atol=1e-12)


def test_the_hand_lies_palm_up_with_its_fingers_ahead(scene):
    model = scene.model
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    palm = data.body(names.in_model(names.PALM))
    tips = data.site_xpos[scene.fingertip_sites[:4]]
    # Appendix F.1: the forearm is level, the fingers point along -y, the palm faces up.
    assert np.all(tips[:, 1] < palm.xpos[1] - 0.15)
    np.testing.assert_allclose(tips[:, 2], palm.xpos[2], atol=0.01)
    assert np.all(np.diff(tips[:, 0]) > 0.02)


def spread(model, control, finger):
    """Sends the fingers beside one away from it: they would hold it up."""
    for other in FINGERS:
        if finger in FINGERS and other != finger:
            index = names.ACTUATORS.index(f"A_{other}J3")
            aside = 1 if FINGERS.index(other) < FINGERS.index(finger) else 0
            control[index] = model.actuator_ctrlrange[index, aside]


def settled(scene, actuator, target):
    """The simulation after one motor was sent to a target, the others at zero."""
    model = scene.model
    data = mujoco.MjData(model)
    low, high = model.actuator_ctrlrange.T
    data.qpos[scene.object_qpos + 2] = -5.0
    data.ctrl[:] = np.clip(0.0, low, high)
    spread(model, data.ctrl, names.ACTUATORS[actuator][2:4])
    data.ctrl[actuator] = target
    mujoco.mj_step(model, data, 10 * REACH_STEPS)
    mujoco.mj_forward(model, data)
    return data


@pytest.mark.parametrize("actuator", range(20), ids=names.ACTUATORS)
def test_every_motor_alone_reaches_a_random_target(scene, actuator):
    generator = np.random.default_rng(actuator)
    for target in generator.uniform(*scene.model.actuator_ctrlrange[actuator], 3):
        reached = settled(scene, actuator, target).actuator_length[actuator]
        assert reached == pytest.approx(target, abs=REACH_RAD)


def test_the_weakest_servo_stops_where_the_spring_of_the_last_joint_holds_it(calibrated):
    # The ring finger's servo has the smallest gain (0.18 N m/rad). At the end of its range it lacks 7.6
    # degrees, not for want of force: that is what the spring of its last joint takes.
    model, actuator = calibrated.model, names.ACTUATORS.index("A_RFJ1")
    target = model.actuator_ctrlrange[actuator, 1]
    data = settled(calibrated, actuator, target)
    joint = model.joint(names.in_model("RFJ0"))
    spring_nm = float(joint.stiffness[0]) * (data.joint(names.in_model("RFJ0")).qpos[0] + 1.0)
    lacking = target - data.actuator_length[actuator]
    assert lacking == pytest.approx(spring_nm / model.actuator_gainprm[actuator, 0], rel=0.1)
    assert abs(data.actuator_force[actuator]) < 0.1 * model.actuator_forcerange[actuator, 1]

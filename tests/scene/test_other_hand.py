"""A hand of another model, by profile alone: MuJoCo Menagerie's Shadow hand, as the wheel of robopianist ships it."""

import importlib.util
from pathlib import Path

import msgspec
import mujoco
import numpy as np
import pytest
import torch

from dexctl import randomness
from dexctl.errors import MissingError, ProfileError
from dexctl.evaluate.contacts import find_touches
from dexctl.physics.cpu import CpuPhysics
from dexctl.policy.actor import actor_shape, critic_shape
from dexctl.profile.load import load
from dexctl.randomize.appearance import Look
from dexctl.reorient import observation
from dexctl.reorient.environment import Environment
from dexctl.robot.server import RobotServer
from dexctl.robot.trial import Trial, random_goals
from dexctl.rollout.samples import draw_samples
from dexctl.scene.build import build_scene
from dexctl.vision.rendering.subject import build_subject

PACKAGE = importlib.util.find_spec("robopianist")
HANDS = Path(PACKAGE.origin if PACKAGE and PACKAGE.origin else ".").parent / "models" / "hands" / "third_party"

TWO_FINGERS = """
<mujoco>
  <default><joint damping="0.2" armature="0.01"/></default>
  <worldbody>
    <body name="base" pos="0 0 1">
      <geom type="box" size="0.04 0.04 0.01"/>
      <body name="palm" pos="0 0 0.02">
        <geom type="box" size="0.05 0.05 0.01"/>
        <body name="a" pos="0.05 0 0">
          <joint name="a1" axis="0 1 0" range="-1 1" limited="true"/>
          <geom type="capsule" fromto="0 0 0 0.05 0 0" size="0.008"/>
          <body name="a_tip" pos="0.05 0 0">
            <joint name="a2" axis="0 1 0" range="-1 1" limited="true"/>
            <geom type="capsule" fromto="0 0 0 0.03 0 0" size="0.008"/>
          </body>
        </body>
        <body name="b_tip" pos="-0.05 0 0">
          <joint name="b1" axis="0 1 0" range="-1 1" limited="true"/>
          <geom type="capsule" fromto="0 0 0 -0.05 0 0" size="0.008"/>
        </body>
      </body>
    </body>
  </worldbody>
  <tendon><fixed name="a"><joint joint="a1" coef="1"/><joint joint="a2" coef="1"/></fixed></tendon>
  <actuator>
    <position name="pull_a" tendon="a" ctrlrange="-2 2" kp="1"/>
    <position name="pull_b" joint="b1" ctrlrange="-1 1" kp="1"/>
  </actuator>
  <keyframe><key qpos="0.1 0.1 0.1"/></keyframe>
</mujoco>
"""
NAMES = """
inherits = "block-paper"
[hand]
model = "{model}"
gains = "model"
[hand.names]
joints = ["a1", "a2", "b1"]
actuators = ["pull_a", "pull_b"]
coupled = {{ a1 = "a2" }}
fingertip_links = {{ ff = "a_tip", mf = "b_tip", rf = "a", lf = "a_tip", th = "b_tip" }}
palm = "palm"
palm_position_m = [1.0, 0.87, 0.14]
palm_quaternion_wxyz = [0.7071068, 0.0, 0.0, 0.7071068]
"""
SHORT = ["task.start_random_steps=3"]


@pytest.fixture(scope="module")
def menagerie(tmp_path_factory):
    """A profile of the paper's task, every randomization on, with the other hand."""
    if PACKAGE is None:
        pytest.skip("robopianist is not installed: tools/environment test")
    path = tmp_path_factory.mktemp("profiles") / "other.toml"
    path.write_text('inherits = ["block-paper", "hand/menagerie-shadow"]\n')
    return load(str(path), [*SHORT, f"hand.model='{HANDS}/shadow_hand/right_hand.xml'"], {}).profile


@pytest.fixture
def two_fingers(tmp_path):
    """Writes a hand of two fingers and its profile, with something replaced; gives what loading takes."""

    def write(model=TWO_FINGERS, old="", new=""):
        (tmp_path / "hand.xml").write_text(model)
        text = NAMES.format(model=tmp_path / "hand.xml")
        assert old in text
        (tmp_path / "hand.toml").write_text(text.replace(old, new) if old else text)
        return load(str(tmp_path / "hand.toml"), SHORT, {}).profile

    return write


def acted(profile, count=3, steps=8):
    """An environment after some steps at random, and all that was seen on the way."""
    scene = build_scene(profile)
    env = Environment(profile, scene, CpuPhysics(scene, count, profile.physics), count)
    ids, seen = torch.arange(count), []
    env.begin(ids, randomness.derive(randomness.key(0).expand(count), ids))
    for step in range(steps):
        key = randomness.derive(randomness.key(1).expand(count), step, ids)
        env.step((randomness.uniform(key, env.num_actuators) * profile.action.bins).long())
        seen.append(env.perceive(env.observe()))
    return env, seen


def test_it_stands_where_gymnasium_robotics_hand_does(menagerie):
    model = build_scene(menagerie).model
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    shadow = build_scene(load("block-paper", (), {}).profile)
    other = mujoco.MjData(shadow.model)
    mujoco.mj_kinematics(shadow.model, other)
    np.testing.assert_allclose(data.body("rh_palm").xpos, other.body("robot0:palm").xpos, atol=1e-5)
    np.testing.assert_allclose(data.body("rh_palm").xmat, other.body("robot0:palm").xmat, atol=1e-5)
    # The same robot, modelled by others: fingertips within 8 mm.
    tips = data.site_xpos[build_scene(menagerie).fingertip_sites]
    np.testing.assert_allclose(tips, other.site_xpos[shadow.fingertip_sites], atol=0.008)


def test_the_task_is_played_by_it_under_every_randomization(menagerie):
    env, seen = acted(menagerie)
    known = observation.sizes(menagerie)
    for name, values in seen[-1].items():
        assert values.shape == (3, known[name]), name
        assert bool(torch.isfinite(values).all()), name
    assert env.physics.failures == 0
    assert float((seen[0]["joint_angles"] - seen[-1]["joint_angles"]).abs().amax(dim=0).min()) > 1e-4
    drawn = {one.key: one.drawn for one in draw_samples(menagerie, 2)}
    assert drawn["randomize.physics.joint_damping"].shape == (2, 24)
    assert drawn["randomize.unmodeled.backlash.log_factor"].shape == (2, 40)


def test_the_package_of_menagerie_finds_it_by_name(menagerie, monkeypatch):
    monkeypatch.setenv("MENAGERIE_ROOT", str(HANDS))
    settings = [*SHORT, 'hand.model="menagerie:shadow_hand/right_hand"']
    named = build_scene(load("block-paper", settings_of(menagerie, settings), {}).profile)
    assert named.model.nq == build_scene(menagerie).model.nq == 31
    with pytest.raises(MissingError, match="shadow_foot"):
        build_scene(load("block-paper", settings_of(menagerie, ['hand.model="menagerie:shadow_foot"']), {}).profile)


def settings_of(profile, settings):
    """Settings that name the parts of a profile's hand."""
    names, lists = profile.hand.names, []
    for key in ("joints", "actuators"):
        lists.append(f"hand.names.{key}={getattr(names, key)}")
    for key in ("coupled", "fingertip_links"):
        lists += [f"hand.names.{key}.{name}={value}" for name, value in getattr(names, key).items()]
    place = [f"hand.names.palm_position_m={list(names.palm_position_m)}"]
    place += [f"hand.names.palm_quaternion_wxyz={list(names.palm_quaternion_wxyz)}", "hand.names.palm=rh_palm"]
    return ["hand.gains=model", *lists, *place, *settings]


def test_observations_and_actions_are_as_long_as_the_hand_has_parts(two_fingers):
    profile = two_fingers()
    env, seen = acted(profile)
    assert (env.num_actuators, env.physics.qpos.shape[1]) == (2, 3 + 7)
    assert seen[-1]["joint_angles"].shape == (3, 3)
    assert seen[-1]["action_average"].shape == (3, 2)
    assert actor_shape(profile, 2).outputs == 2 * 11
    assert critic_shape(profile).inputs == 85 - 2 * 21
    data = mujoco.MjData(env.physics.scene.model)
    mujoco.mj_kinematics(env.physics.scene.model, data)
    np.testing.assert_allclose(data.body("palm").xpos, [1.0, 0.87, 0.14], atol=1e-9)
    # A quarter turn about the vertical: what pointed along x points along y.
    np.testing.assert_allclose(data.body("a").xpos, [1.0, 0.92, 0.14], atol=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            '["a1", "a2", "b1"]',
            '["a1", "a2"]',
            "hand.names.joints: expected the model's joints, all hinges: a1, a2, b1",
        ),
        ('["pull_a", "pull_b"]', '["pull_b", "pull_a"]', "hand.names.actuators: expected the model's, in its order"),
        ('th = "b_tip"', 'th = "c_tip"', "hand.names.fingertip_links.th: the model has no body 'c_tip'"),
        ('palm = "palm"', 'palm = "hand"', "hand.names.palm: the model has no body 'hand'"),
    ],
)
def test_a_part_that_the_model_lacks_is_refused_with_its_key(two_fingers, old, new, told):
    with pytest.raises(ProfileError) as error:
        build_scene(two_fingers(old=old, new=new))
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('a1 = "a2"', 'a1 = "a3"', "hand.names.coupled"),
        (', th = "b_tip"', "", "hand.names.fingertip_links"),
        ('["a1", "a2", "b1"]', '["a1", "a1", "b1"]', "hand.names.joints"),
        ("[0.7071068, 0.0, 0.0, 0.7071068]", "[1.0, 0.0, 0.0, 1.0]", "hand.names.palm_quaternion_wxyz"),
        ('gains = "model"', 'gains = "2018"', "hand.gains"),
    ],
)
def test_names_that_contradict_each_other_are_refused_with_their_key(two_fingers, old, new, key):
    with pytest.raises(ProfileError, match=key):
        two_fingers(old=old, new=new)


def test_a_joint_that_nothing_moves_is_told(two_fingers):
    loose = TWO_FINGERS.replace('<position name="pull_b" joint="b1" ctrlrange="-1 1" kp="1"/>', "")
    with pytest.raises(ProfileError, match="no actuator moves joint 'b1'"):
        build_scene(two_fingers(loose, '["pull_a", "pull_b"]', '["pull_a"]'))


def test_whatever_is_seen_of_it_is_painted_in_materials_of_its_own(menagerie, two_fingers):
    for profile, parts in ((menagerie, 12), (two_fingers(), 5)):
        subject = build_subject(profile, 64)
        look = Look(profile, len(subject.robot_materials)).draw(torch.tensor([3]))
        subject.paint({name: values[0] for name, values in look.items()})
        assert len(subject.robot_materials) == parts
        worn = set(subject.model.geom_matid.tolist())
        assert worn >= set(subject.robot_materials.tolist())
        np.testing.assert_allclose(subject.model.mat_rgba[subject.robot_materials, :3], look["robot_color"][0])


def test_its_links_are_found_where_they_touch_the_object(menagerie):
    scene = build_scene(menagerie)
    data = mujoco.MjData(scene.model)
    seen = []
    for link in ("rh_ffdistal", "rh_mfmiddle", "rh_rfproximal", "rh_thdistal", "rh_lfmetacarpal", "rh_palm"):
        data.qpos[scene.object_qpos : scene.object_qpos + 7] = (0, 0, 5, 1, 0, 0, 0)
        mujoco.mj_kinematics(scene.model, data)
        bodies = scene.model.geom_bodyid == scene.model.body(link).id
        shapes = np.flatnonzero(bodies & (scene.model.geom_contype > 0))
        # The block hangs with its lowest face a millimetre into the highest shape of the link.
        top = max(shapes, key=lambda shape: data.geom_xpos[shape, 2])
        data.qpos[scene.object_qpos : scene.object_qpos + 3] = data.geom_xpos[top] + (0, 0, 0.0275)
        seen.append(data.qpos.copy())
    touches = find_touches(scene, np.stack(seen))
    finger = [
        touches.link_TFL[0, 0, 0],
        touches.link_TFL[1, 1, 1],
        touches.link_TFL[2, 2, 2],
        touches.link_TFL[3, 4, 0],
    ]
    assert finger == [True] * 4
    assert touches.palm_T[4:].all()


def test_a_robot_of_it_is_served_and_told_by_its_own_parts(two_fingers):
    profile = two_fingers(old='inherits = "block-paper"', new='inherits = ["block-paper", "robot/twin"]')
    server = RobotServer(profile, profile.robot, 0, "tcp://127.0.0.1:0", True, lambda kind, fields: None)
    with server:
        features = server.features
    assert features.joints == ("a1", "a2", "b1")
    assert features.actuators == ("pull_a", "pull_b")
    assert len(features.joint_range_rad) == 3
    control = torch.tensor(features.control_range_rad, dtype=torch.float64)
    held = msgspec.structs.replace(profile, action=msgspec.structs.replace(profile.action, hold={"pull_b": 0.5}))
    trial = Trial(held, object(), control, random_goals(held), 50)
    length = torch.zeros(1, 2, dtype=torch.float64)
    assert trial._targets(length, length).tolist() == [[0.0, 0.5]]


def test_what_is_no_hand_is_told(two_fingers, tmp_path):
    with pytest.raises(ProfileError, match="XML"):
        build_scene(two_fingers("no model"))
    two_fingers()
    with pytest.raises(MissingError, match="there is no file none"):
        build_scene(load(str(tmp_path / "hand.toml"), ["hand.model=none.xml"], {}).profile)
    with pytest.raises(ProfileError, match=r"hand.names"):
        load("block-paper", ["hand.model=none.xml"], {})

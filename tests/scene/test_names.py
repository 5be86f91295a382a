"""Every name stands in the compiled model, where arrays expect it, whichever the gains."""

import msgspec
import mujoco
import numpy as np
import pytest

from dexctl.errors import ProfileError
from dexctl.profile.load import load
from dexctl.scene import names
from dexctl.scene.build import build_scene


@pytest.fixture(scope="module", params=["2018", "gym"])
def scene(request):
    return build_scene(load("block-paper", [f'hand.gains="{request.param}"'], {}).profile)


def named(model, kind, count):
    return [mujoco.mj_id2name(model, kind, index) for index in range(count)]


def test_joints_come_in_the_order_of_their_names(scene):
    model = scene.model
    found = named(model, mujoco.mjtObj.mjOBJ_JOINT, model.njnt)
    assert found == [*map(names.in_model, names.JOINTS), names.OBJECT_JOINT]
    np.testing.assert_array_equal(scene.joint_qpos, np.arange(24))
    np.testing.assert_array_equal(scene.joint_dof, np.arange(24))
    assert (scene.object_qpos, scene.object_dof, model.nq, model.nv) == (24, 24, 31, 30)


def test_actuators_come_in_the_order_of_their_names_and_pull_what_they_say(scene):
    model = scene.model
    assert named(model, mujoco.mjtObj.mjOBJ_ACTUATOR, model.nu) == [names.in_model(name) for name in names.ACTUATORS]
    assert len(names.ACTUATORS) == len(names.ACTUATED) == 20
    # What an actuator's length depends on, felt by moving each joint a little.
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    rest = data.actuator_length.copy()
    felt = np.zeros((20, 24))
    for joint in range(24):
        data.qpos[joint] += 1e-3
        mujoco.mj_forward(model, data)
        felt[:, joint] = (data.actuator_length - rest) / 1e-3
        data.qpos[joint] -= 1e-3
    coupled = f"{names.PREFIX}T_FFJ1+FFJ0" in named(model, mujoco.mjtObj.mjOBJ_TENDON, model.ntendon)
    expected = np.zeros((20, 24))
    for row, joint in enumerate(names.ACTUATED):
        expected[row, names.JOINTS.index(joint)] = 1.0
        if coupled and joint in names.COUPLED:
            expected[row, names.JOINTS.index(names.COUPLED[joint])] = 1.0
    np.testing.assert_allclose(felt, expected, atol=1e-9)


def test_every_finger_couples_its_last_two_joints(scene):
    model = scene.model
    tendons = named(model, mujoco.mjtObj.mjOBJ_TENDON, model.ntendon)
    for driven, following in names.COUPLED.items():
        assert any(driven in tendon for tendon in tendons)
        body = model.body(f"{names.PREFIX}{driven[:2].lower()}distal")
        assert model.joint(names.in_model(following)).bodyid[0] == body.id
        assert model.joint(names.in_model(driven)).bodyid[0] == body.parentid[0]


def test_markers_stand_on_their_links(scene):
    model = scene.model
    for finger, marker, box, site in zip(
        names.FINGERS, names.FINGERTIP_MARKERS, names.OCCLUSION_BOXES, scene.fingertip_sites, strict=True
    ):
        distal = model.body(names.in_model(f"{finger}distal")).id
        assert model.site(marker).id == site
        assert model.site(marker).bodyid[0] == model.site(box).bodyid[0] == distal
    assert [model.site(int(site)).name for site in scene.base_sites] == list(names.BASE_MARKERS)
    assert model.body(names.OBJECT).id == scene.object_body
    assert model.body(names.in_model(names.PALM)).name


@pytest.mark.parametrize("table", ["joints", "actuators"])
def test_a_name_the_hand_lacks_is_refused(table):
    profile = load("block-paper", (), {}).profile
    rows = dict(getattr(profile.hand, table))
    rows["XXJ9"] = rows.pop(next(iter(rows)))
    hand = msgspec.structs.replace(profile.hand, **{table: rows})
    changed = msgspec.structs.replace(profile, hand=hand)
    with pytest.raises(ProfileError, match="XXJ9"):
        build_scene(changed)

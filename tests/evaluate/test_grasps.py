"""Grasps, pivots and gaits, from patterns of contact made by hand and from a real scene."""

import numpy as np
import pytest

from dexctl.evaluate.contacts import Touches, find_touches
from dexctl.evaluate.grasps import FREE, OTHER, RESTING, gaits, grasp_at, pivots, stretches
from dexctl.profile.load import load
from dexctl.scene.build import build_scene
from dexctl.scene.names import FINGERS


def pattern(*moments):
    """Touches from one text a moment: ``ff th`` by pads, ``ff. th.`` by tips, ``ff| th`` by a middle link, ``palm``."""
    count = len(moments)
    link, tip = np.zeros((count, 5, 3), bool), np.zeros((count, 5), bool)
    palm, point = np.zeros(count, bool), np.full((count, 5, 3), np.nan)
    for moment, text in enumerate(moments):
        for word in text.split():
            if word == "palm":
                palm[moment] = True
                continue
            finger = FINGERS.index(word[:2])
            link[moment, finger, 1 if word.endswith("|") else 0] = True
            tip[moment, finger] = word.endswith(".")
            point[moment, finger] = (0.0, float(finger), 0.0)
    return Touches(link, tip, palm, point)


@pytest.mark.parametrize(
    ("text", "grasp"),
    [
        ("lf. th.", "tip pinch"),
        ("lf. th", "palmar pinch"),
        ("ff th", "palmar pinch"),
        ("ff mf th", "tripod"),
        ("ff mf lf th", "quadpod"),
        ("ff mf rf lf th", "five-finger"),
        ("ff| mf| th palm", "power"),
        ("ff mf rf palm", "power"),
        ("ff th palm", RESTING),
        ("palm", RESTING),
        ("", FREE),
        ("ff mf", OTHER),
        ("th", OTHER),
    ],
)
def test_the_pattern_of_contacts_names_the_grasp(text, grasp):
    assert grasp_at(pattern(text), 0) == grasp


def test_time_is_cut_into_stretches_of_one_grasp():
    touches = pattern("ff th", "ff th", "palm", "ff mf th", "mf lf th")
    assert [(one.grasp, one.start, one.stop) for one in stretches(touches)] == [
        ("palmar pinch", 0, 2),
        (RESTING, 2, 3),
        ("tripod", 3, 5),
    ]


def turning(axis, angles):
    half = np.asarray(angles)[:, None] / 2
    return np.concatenate((np.cos(half), np.sin(half) * np.asarray(axis, float)), axis=1)


@pytest.mark.parametrize(
    ("moments", "axis", "found"),
    [
        (["ff th"] * 4, (0, 1, 0), 1),
        (["ff th"] * 4, (1, 0, 0), 0),
        (["ff th palm"] * 4, (0, 1, 0), 0),
        (["ff mf th"] * 4, (0, 1, 0), 0),
        (["ff th", "ff th", "mf th", "mf th"], (0, 1, 0), 0),
    ],
)
def test_a_pivot_is_a_turn_about_the_line_between_the_only_two_fingers(moments, axis, found):
    seen = pivots(pattern(*moments), turning(axis, [0.0, 0.2, 0.4, 0.6]))
    assert len(seen) == found
    for pivot in seen:
        assert pivot.fingers == ("ff", "th")
        assert pivot.angle_rad == pytest.approx(0.6)
        assert pivot.distal


def test_a_pivot_tells_whether_distal_links_did_it():
    (seen,) = pivots(pattern("ff| th", "ff th", "ff th"), turning((0, 1, 0), [0.0, 0.3, 0.6]))
    assert not seen.distal


def test_a_finger_gaits_when_it_lets_go_and_comes_back_while_two_others_hold_on():
    assert gaits(pattern("ff mf th", "mf th", "mf th", "ff mf th"))["ff"] == 1
    assert gaits(pattern("ff mf th", "th", "ff mf th"))["ff"] == 0
    assert sum(gaits(pattern("mf th", "ff mf th", "mf th")).values()) == 0


@pytest.fixture(scope="module")
def scene():
    return build_scene(load("block", [], {}).profile)


def pose(scene, position, joints=()):
    qpos = scene.model.qpos0.copy()
    at = scene.object_qpos
    qpos[at : at + 3] = position
    for name, angle in joints:
        qpos[scene.model.joint(f"robot0:{name}").qposadr[0]] = angle
    return qpos


def test_contacts_are_found_where_the_block_stands(scene):
    far = pose(scene, (1.0, 0.87, 0.5))
    # Sunk a little into the flat palm: its upper side is the palm box's half thickness above its middle.
    palm = pose(scene, (0.99, 0.93, 0.14 + 0.0111 + 0.0285 - 0.001))
    touches = find_touches(scene, np.stack((far, palm)))
    assert not touches.fingers[0].any()
    assert not touches.palm_T[0]
    assert touches.palm_T[1]


@pytest.mark.parametrize("finger", FINGERS)
def test_a_fingertip_that_reaches_the_block_touches_with_its_tip_or_its_pad(scene, finger):
    import mujoco

    data = mujoco.MjData(scene.model)
    data.qpos[:] = pose(scene, (0.0, 0.0, 2.0))
    mujoco.mj_kinematics(scene.model, data)
    index = FINGERS.index(finger)
    body = scene.model.body(f"robot0:{finger}distal").id
    # The capsule's far end, and a block beyond it along the finger, a millimetre into it.
    geom = scene.model.geom(f"robot0:C_{finger}distal").id
    along = data.geom_xmat[geom].reshape(3, 3)[:, 2]
    end = data.geom_xpos[geom] + along * scene.model.geom_size[geom][:2].sum()
    rotation = np.zeros(4)
    mujoco.mju_mat2Quat(rotation, data.xmat[body])
    qpos = pose(scene, end + along * (0.0285 - 0.001))
    qpos[scene.object_qpos + 3 : scene.object_qpos + 7] = rotation
    touches = find_touches(scene, qpos[None])
    assert touches.link_TFL[0, index].tolist() == [True, False, False]
    assert touches.tip_TF[0, index]
    assert touches.point_TF3[0, index] == pytest.approx(end, abs=0.002)


def test_a_block_at_rest_touches_what_it_rests_on(scene):
    import mujoco

    data = mujoco.MjData(scene.model)
    data.qpos[:] = pose(scene, (1.0, 0.93, 0.19))
    seen = []
    for step in range(200):
        mujoco.mj_step(scene.model, data)
        if step >= 150:
            seen.append(data.qpos.copy())
    touches = find_touches(scene, np.stack(seen))
    assert seen[-1][scene.object_qpos + 2] > 0.1
    assert (touches.palm_T | touches.fingers.any(axis=1)).all()

import ast
from pathlib import Path

import msgspec
import mujoco
import numpy as np
import pytest

import dexctl.robot
from dexctl.errors import ProfileError
from dexctl.robot import gap
from dexctl.scene.build import build_scene

from .conftest import make_body

# What makes the robot that is tested on; the rest of the room is the controller's, and acts as in training.
TWIN = ("gap.py", "body.py", "sensing.py", "low_level.py", "realtime.py", "server.py")


def numbers(member):
    return np.concatenate([np.atleast_1d(value).ravel() for value in vars(member).values()])


def test_a_seed_is_always_the_same_robot_and_another_is_another(twin):
    first, again, other = (gap.draw(twin.robot, seed) for seed in (3, 3, 4))
    assert np.array_equal(numbers(first), numbers(again))
    assert (numbers(first) != numbers(other)).mean() > 0.9


def test_every_number_lies_in_its_span(twin):
    members = [gap.draw(twin.robot, seed) for seed in range(50)]
    for table in (twin.robot.gap, twin.robot.sensors):
        for key in table.__struct_fields__:
            span = getattr(table, key)
            if not isinstance(span, tuple) or key in ("marker_offset_m", "object_offset_m", "object_offset_rad"):
                continue
            drawn = np.concatenate([np.atleast_1d(getattr(member, key)).ravel() for member in members])
            assert span[0] <= drawn.min() <= drawn.max() <= span[1], key
            assert (drawn.min() < drawn.max()) == (span[0] < span[1]), key
    offsets = np.array([np.linalg.norm(member.marker_offset_m, axis=1) for member in members])
    assert ((offsets > 0).sum(axis=1) == 1).all()
    assert offsets.max() <= twin.robot.sensors.marker_offset_m[1]
    assert len({int(row.argmax()) for row in offsets}) == 5


def test_without_a_gap_the_model_is_the_trainings_own(same):
    trained = build_scene(same).model
    served = make_body(same, seed=5).scene.model
    for name in ("body_mass", "geom_friction", "geom_solref", "dof_damping", "actuator_gainprm", "actuator_biasprm"):
        assert np.array_equal(getattr(trained, name), getattr(served, name)), name
    assert (trained.opt.timestep, trained.opt.cone, trained.opt.integrator) == (
        served.opt.timestep,
        served.opt.cone,
        served.opt.integrator,
    )


def test_the_twin_differs_in_everything_that_it_says(twin):
    trained, body = build_scene(twin).model, make_body(twin)
    served = body.scene.model
    for name in ("body_mass", "geom_friction", "geom_solref", "dof_damping", "dof_frictionloss", "actuator_gainprm"):
        assert not np.array_equal(getattr(trained, name), getattr(served, name)), name
    assert trained.opt.timestep != served.opt.timestep
    assert trained.opt.cone != served.opt.cone
    assert trained.opt.integrator != served.opt.integrator
    assert body.turns == 2


def test_a_marker_beside_its_place_moves_with_its_finger(twin):
    member = gap.draw(twin.robot, 0)
    finger = int(np.linalg.norm(member.marker_offset_m, axis=1).argmax())
    true, served = build_scene(twin), make_body(twin).scene
    beside = []
    for bent_rad in (0.0, 1.2):
        places = []
        for scene in (true, served):
            data = mujoco.MjData(scene.model)
            for joint in range(24):
                if scene.model.joint(scene.joint_ids[joint]).name.endswith(("J2", "J1", "J0")):
                    data.qpos[scene.joint_qpos[joint]] = bent_rad
            mujoco.mj_kinematics(scene.model, data)
            places.append(data.site_xpos[scene.fingertip_sites].copy())
        beside.append(places[1] - places[0])
    flat, bent = beside
    assert np.allclose(flat, member.marker_offset_m, atol=1e-12)
    assert np.linalg.norm(bent, axis=1) == pytest.approx(np.linalg.norm(flat, axis=1))
    assert np.linalg.norm(bent[finger] - flat[finger]) > 1e-3


def test_a_timestep_that_the_loop_cannot_keep_is_refused(twin):
    robot = msgspec.structs.replace(twin.robot, loop_period_s=0.003)
    with pytest.raises(ProfileError, match=r"robot\.gap\.timestep_s: expected a multiple"):
        gap.apply(build_scene(twin), robot.gap, gap.draw(robot, 0), robot.loop_period_s)


@pytest.mark.parametrize("file", TWIN)
def test_the_twin_is_written_apart_from_the_trainings_randomization(file):
    tree = ast.parse((Path(dexctl.robot.__file__).parent / file).read_text())
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert imported
    assert not [name for name in imported if name.startswith(("dexctl.randomize", "dexctl.reorient", "torch"))]

"""A hand of another model: an MJCF file, or one that the package mujoco-menagerie fetches."""

from __future__ import annotations

from pathlib import Path

import mujoco
import numpy as np

from dexctl.errors import MissingError, ProfileError
from dexctl.profile import schema
from dexctl.scene.anatomy import Anatomy, anatomy

_MENAGERIE = "menagerie:"


def load_other_hand(hand: schema.Hand) -> mujoco.MjSpec:
    """Reads a hand as its model has it, and places it so that its palm is where the profile says.

    Raises:
        MissingError: the file or the package is not there, or the package cannot fetch the model.
        ProfileError: the file is no model, or its parts are not those that ``hand.names`` names.
    """
    spec = _read(hand.model)
    # Poses of a model without an object say nothing of one with it.
    for key in list(spec.keys):
        spec.delete(key)
    named = anatomy(hand)
    try:
        model = spec.compile()
    except ValueError as error:
        raise ProfileError(f"hand.model: {hand.model}: {_first_line(error)}") from error
    assert hand.names is not None
    _check_parts(model, named, hand.names.palm)
    _place(spec, model, hand.names)
    return spec


def _read(name: str) -> mujoco.MjSpec:
    path = _from_menagerie(name.removeprefix(_MENAGERIE)) if name.startswith(_MENAGERIE) else Path(name)
    if not path.is_file():
        raise MissingError(
            f"hand.model: there is no file {path}",
            "Give 'gymnasium-robotics', 'menagerie:NAME' or the path of an MJCF file.",
        )
    try:
        return mujoco.MjSpec.from_file(str(path))
    except ValueError as error:
        raise ProfileError(f"hand.model: {path}: {_first_line(error)}") from error


def _from_menagerie(name: str) -> Path:
    """The file of ``ROBOT`` or ``ROBOT/ENTRY``, downloaded by the package when it is first asked for."""
    try:
        import mujoco_menagerie as menagerie
    except ImportError as error:
        raise MissingError(f"hand.model: {_MENAGERIE}{name} needs a package", "pip install mujoco-menagerie") from error
    robot_name, _, entry = name.partition("/")
    try:
        robot = menagerie.get(robot_name)
        return Path(robot.xml(entry or robot.default_model))
    except menagerie.MenagerieError as error:
        raise MissingError(f"hand.model: {_MENAGERIE}{name}: {error}", "See: mujoco-menagerie names") from error


def _check_parts(model: mujoco.MjModel, named: Anatomy, palm: str) -> None:
    joints = [model.joint(index).name for index in range(model.njnt)]
    actuators = [model.actuator(index).name for index in range(model.nu)]
    bodies = {model.body(index).name for index in range(model.nbody)}
    if sorted(named.joints) != sorted(joints) or any(model.jnt_type != mujoco.mjtJoint.mjJNT_HINGE):
        raise ProfileError(f"hand.names.joints: expected the model's joints, all hinges: {', '.join(joints)}")
    if list(named.actuators) != actuators:
        raise ProfileError(f"hand.names.actuators: expected the model's, in its order: {', '.join(actuators)}")
    for key, link in (
        ("palm", palm),
        *((f"fingertip_links.{name}", link) for name, link in named.fingertip_links.items()),
    ):
        if link not in bodies:
            raise ProfileError(f"hand.names.{key}: the model has no body '{link}'")
    _check_moved(model, named, joints)


def _check_moved(model: mujoco.MjModel, named: Anatomy, joints: list[str]) -> None:
    """Every joint has a motor, or is coupled to one that has."""
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    moment = np.zeros((model.nu, model.nv))
    mujoco.mju_sparse2dense(moment, data.actuator_moment, data.moment_rownnz, data.moment_rowadr, data.moment_colind)
    pulled = {joints[int(model.dof_jntid[dof])] for dof in np.flatnonzero(moment.any(axis=0))}
    for joint in named.joints:
        if joint not in pulled and named.coupled.get(joint) is None and joint not in named.coupled.values():
            raise ProfileError(f"hand.names.coupled: no actuator moves joint '{joint}', and it is coupled to none")


def _place(spec: mujoco.MjSpec, model: mujoco.MjModel, named: schema.HandNames) -> None:
    """Moves the bodies of the world so that the palm, with all joints at zero, is where it should be."""
    data = mujoco.MjData(model)
    mujoco.mj_kinematics(model, data)
    palm, wanted = data.body(named.palm), np.array(named.palm_quaternion_wxyz)
    turn, back = np.empty(4), np.empty(4)
    mujoco.mju_negQuat(back, palm.xquat)
    mujoco.mju_mulQuat(turn, wanted, back)
    for body in spec.worldbody.bodies:
        place, orientation = data.body(body.name).xpos - palm.xpos, np.empty(4)
        moved = np.empty(3)
        mujoco.mju_rotVecQuat(moved, place, turn)
        mujoco.mju_mulQuat(orientation, turn, data.body(body.name).xquat)
        body.pos, body.quat = moved + named.palm_position_m, orientation


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]

"""From a profile to a compiled MuJoCo model: hand, object, cameras."""

from __future__ import annotations

import dataclasses
from typing import Any

import mujoco
import numpy as np

from dexctl.errors import ProfileError
from dexctl.profile import schema
from dexctl.scene import names
from dexctl.scene.anatomy import Anatomy, anatomy
from dexctl.scene.hand import load_hand
from dexctl.scene.objects import add_object, add_target
from dexctl.scene.sensing import add_occlusion, add_seen_markers


@dataclasses.dataclass(frozen=True, kw_only=True)
class HandScene:
    """A compiled model with a hand, and where the hand's parts stand in MuJoCo's arrays.

    Attributes:
        anatomy: what the hand's parts are called, in the order of the arrays.
        joint_qpos, joint_dof: (J,) addresses of the hand's joints in qpos and qvel.
        joint_ids: (J,) of the hand's joints.
        fingertip_sites: (F,) marker site ids; base_sites: (3,).
    """

    anatomy: Anatomy
    spec: mujoco.MjSpec
    model: mujoco.MjModel
    joint_ids: np.ndarray
    joint_qpos: np.ndarray
    joint_dof: np.ndarray
    fingertip_sites: np.ndarray
    base_sites: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scene(HandScene):
    """A hand, and where the object and what senses both stand too.

    Attributes:
        object_qpos, object_dof: first address of the object's seven and six numbers.
        object_bodies, object_geoms: ids; the first body is the object itself.
        seen_fingertip_sites, seen_base_sites: the same where motion capture sees them; without noise the true ones.
        occlusion_sensors: (F,) first address of each box's numbers, found and distance in m; empty without occlusion.
    """

    object_qpos: int
    object_dof: int
    object_body: int
    object_bodies: np.ndarray
    object_geoms: np.ndarray
    seen_fingertip_sites: np.ndarray
    seen_base_sites: np.ndarray
    occlusion_sensors: np.ndarray


def build_scene(profile: schema.Profile, pictures: bool = False) -> Scene:
    """Builds the scene of a profile.

    Args:
        pictures: also what only people look at: textures, lights, the goal's twin, a watching camera.
            Physics is the same with and without.

    Raises:
        MissingError: the hand's model is not there.
        ProfileError: the hand's parts or the object's file are not as the profile says.
    """
    spec, named = _hand_spec(profile), anatomy(profile.hand)
    add_object(spec, profile.object)
    observation, unmodeled = profile.randomize.observation, profile.randomize.unmodeled
    if observation.on:
        add_seen_markers(spec, named)
    occludes = unmodeled.on and unmodeled.occlusion.on
    if occludes:
        add_occlusion(spec, profile.hand, unmodeled.occlusion.distance_m)
    if pictures:
        from dexctl.scene.cameras import add_look

        add_target(spec, profile.object)
        add_look(spec, profile.cameras)
    model = _compile(spec, profile.object)
    free = model.joint(names.OBJECT_JOINT)
    bodies = _subtree(model, model.body(names.OBJECT).id)
    seen = names.seen if observation.on else str
    return Scene(
        **_hand_parts(spec, model, named),
        object_qpos=int(free.qposadr[0]),
        object_dof=int(free.dofadr[0]),
        object_body=bodies[0],
        object_bodies=np.array(bodies),
        object_geoms=np.flatnonzero(np.isin(model.geom_bodyid, bodies)),
        seen_fingertip_sites=np.array([model.site(seen(name)).id for name in named.fingertip_markers]),
        seen_base_sites=np.array([model.site(seen(name)).id for name in named.base_markers]),
        occlusion_sensors=np.array(
            [model.sensor(name).adr[0] for name in named.occlusion_boxes] if occludes else [], dtype=np.int64
        ),
    )


def build_hand_scene(profile: schema.Profile) -> HandScene:
    """Builds the hand of a profile alone, stepped as the profile says, with nothing to hold."""
    spec = _hand_spec(profile)
    return HandScene(**_hand_parts(spec, spec.compile(), anatomy(profile.hand)))


def _compile(spec: mujoco.MjSpec, item: schema.Object) -> mujoco.MjModel:
    try:
        return spec.compile()
    except ValueError as error:
        # The hand has been compiled before: what is wrong came with the file.
        if item.kind != "mjcf":
            raise
        raise ProfileError(f"object.model: {item.model}: {' '.join(str(error).split())}") from error


def _hand_spec(profile: schema.Profile) -> mujoco.MjSpec:
    spec = load_hand(profile.hand)
    spec.option.timestep = profile.physics.timestep_s
    spec.option.iterations = profile.physics.solver_iterations
    # MuJoCo 4.0.0 has a fault in its sparse Newton solver; the hand is small enough for the dense one.
    spec.option.jacobian = mujoco.mjtJacobian.mjJAC_DENSE
    # Everything touches everything here: looking for islands costs a tenth of a step and finds one.
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_ISLAND
    return spec


def _hand_parts(spec: mujoco.MjSpec, model: mujoco.MjModel, named: Anatomy) -> dict[str, Any]:
    """The attributes of ``HandScene``."""
    joints = [model.joint(named.in_model(name)) for name in named.joints]
    return {
        "anatomy": named,
        "spec": spec,
        "model": model,
        "joint_ids": np.array([joint.id for joint in joints]),
        "joint_qpos": np.array([joint.qposadr[0] for joint in joints]),
        "joint_dof": np.array([joint.dofadr[0] for joint in joints]),
        "fingertip_sites": np.array([model.site(name).id for name in named.fingertip_markers]),
        "base_sites": np.array([model.site(name).id for name in named.base_markers]),
    }


def _subtree(model: mujoco.MjModel, body: int) -> list[int]:
    """A body and all that hang on it, parents first."""
    found = [body]
    for other in range(body + 1, model.nbody):
        if model.body_parentid[other] in found:
            found.append(other)
    return found

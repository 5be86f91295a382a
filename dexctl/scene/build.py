"""From a profile to a compiled MuJoCo model: hand, object, cameras."""

from __future__ import annotations

import dataclasses

import mujoco
import numpy as np

from dexctl.profile import schema
from dexctl.scene import names
from dexctl.scene.hand import load_hand
from dexctl.scene.objects import add_object, add_target


@dataclasses.dataclass(frozen=True)
class Scene:
    """A compiled model and where its parts stand in MuJoCo's arrays.

    Attributes:
        joint_qpos, joint_dof: (24,) addresses of the hand's joints in qpos and qvel.
        object_qpos, object_dof: first address of the object's seven and six numbers.
        fingertip_sites: (5,) marker site ids; base_sites: (3,).
    """

    spec: mujoco.MjSpec
    model: mujoco.MjModel
    joint_qpos: np.ndarray
    joint_dof: np.ndarray
    object_qpos: int
    object_dof: int
    object_body: int
    fingertip_sites: np.ndarray
    base_sites: np.ndarray


def build_scene(profile: schema.Profile, pictures: bool = False) -> Scene:
    """Builds the scene of a profile.

    Args:
        pictures: also what only people look at: textures, lights, the goal's twin, a watching camera.
            Physics is the same with and without.
    """
    spec = load_hand(profile.hand)
    spec.option.timestep = profile.physics.timestep_s
    spec.option.iterations = profile.physics.solver_iterations
    # MuJoCo 4.0.0 has a fault in its sparse Newton solver; the hand is small enough for the dense one.
    spec.option.jacobian = mujoco.mjtJacobian.mjJAC_DENSE
    # Everything touches everything here: looking for islands costs a tenth of a step and finds one.
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_ISLAND
    add_object(spec, profile.object)
    if pictures:
        from dexctl.scene.cameras import add_look

        add_target(spec, profile.object)
        add_look(spec, profile.cameras)
    model = spec.compile()
    joints = [model.joint(names.in_model(name)) for name in names.JOINTS]
    free = model.joint(names.OBJECT_JOINT)
    return Scene(
        spec=spec,
        model=model,
        joint_qpos=np.array([joint.qposadr[0] for joint in joints]),
        joint_dof=np.array([joint.dofadr[0] for joint in joints]),
        object_qpos=int(free.qposadr[0]),
        object_dof=int(free.dofadr[0]),
        object_body=model.body(names.OBJECT).id,
        fingertip_sites=np.array([model.site(name).id for name in names.FINGERTIP_MARKERS]),
        base_sites=np.array([model.site(name).id for name in names.BASE_MARKERS]),
    )

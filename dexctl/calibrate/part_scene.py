"""The hand reduced to what one finger's motion depends on, which costs a quarter of the time.

Fingers that do not touch leave each other alone: a finger is simulated on a palm without the others.
The wrist carries them all, and they are stiff meanwhile.
"""

from __future__ import annotations

import dataclasses

import mujoco
import numpy as np

from dexctl.calibrate.fingers import fingers
from dexctl.profile import schema
from dexctl.scene import names
from dexctl.scene.build import HandScene, build_hand_scene


def parts_of(alone: str) -> tuple[str, ...]:
    """What moves in the scene of a finger: itself and the wrist; of the wrist: itself."""
    return ("wrist",) if alone == "wrist" else ("wrist", alone)


def build_part_scene(profile: schema.Profile, alone: str) -> HandScene:
    """Builds the scene of one finger, or of the wrist; its arrays hold the joints of ``parts_of`` alone."""
    whole = build_hand_scene(profile)
    spec, kept = whole.spec, np.concatenate([part.joints for part in fingers(parts_of(alone))])
    joints = [names.JOINTS[index] for index in kept]
    if alone == "wrist":
        _stiffen(spec, [name for name in names.JOINTS if name not in joints])
    else:
        for finger, body in names.FINGER_BODIES.items():
            if finger != alone:
                spec.delete(spec.body(names.in_model(body)))
    model = spec.compile()
    found = [model.joint(names.in_model(name)) for name in joints]
    return dataclasses.replace(
        whole,
        model=model,
        joint_ids=np.array([joint.id for joint in found]),
        joint_qpos=np.array([joint.qposadr[0] for joint in found]),
        joint_dof=np.array([joint.dofadr[0] for joint in found]),
        fingertip_sites=np.array([], dtype=np.int64),
    )


def _stiffen(spec: mujoco.MjSpec, joints: list[str]) -> None:
    """Takes joints away, and what pulls on them, so that the links stay as they are when straight."""
    for name, joint in zip(names.ACTUATORS, names.ACTUATED, strict=True):
        if joint in joints:
            spec.delete(spec.actuator(names.in_model(name)))
    for tendon in list(spec.tendons):
        spec.delete(tendon)
    for name in joints:
        spec.delete(spec.joint(names.in_model(name)))

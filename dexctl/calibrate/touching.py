"""Where fingers touch each other in a recording: what happens then says more of skin than of joints."""

from __future__ import annotations

import mujoco
import numpy as np

from dexctl.calibrate.fingers import fingers
from dexctl.calibrate.replay import Motion
from dexctl.profile import schema
from dexctl.scene import names
from dexctl.scene.build import HandScene, build_hand_scene


def touching(profile: schema.Profile, motion: Motion) -> np.ndarray:
    """Joints (T, 24) whose finger touches another one, then or in the moment before or after."""
    scene = build_hand_scene(profile)
    owner = _fingers_of_geoms(scene)
    data = mujoco.MjData(scene.model)
    found = np.zeros(motion.angles_rad.shape, dtype=bool)
    parts = {part.name: part.joints for part in fingers()}
    for moment, angles in enumerate(motion.angles_rad):
        data.qpos[scene.joint_qpos] = angles
        mujoco.mj_kinematics(scene.model, data)
        mujoco.mj_collision(scene.model, data)
        for first, second in owner[data.contact.geom]:
            if first != second and "" not in (first, second):
                found[moment, np.concatenate((parts[first], parts[second]))] = True
    around = found.copy()
    around[1:] |= found[:-1]
    around[:-1] |= found[1:]
    return around


def _fingers_of_geoms(scene: HandScene) -> np.ndarray:
    """The finger (G,) that each geom is of, empty for palm and forearm."""
    model = scene.model
    roots = {model.body(names.in_model(body)).id: finger for finger, body in names.FINGER_BODIES.items()}
    of_body = [""] * model.nbody
    for body in range(model.nbody):
        of_body[body] = roots.get(body) or of_body[model.body_parentid[body]]
    return np.array([of_body[body] for body in model.geom_bodyid])

"""Which parts of the hand touch the object, moment by moment."""

from __future__ import annotations

import dataclasses

import mujoco
import numpy as np

from dexctl.scene import names
from dexctl.scene.build import Scene

# T moments, F fingers (the thumb last), L links from the tip inwards.

LINKS = ("distal", "middle", "proximal")
# Parts of fingers by how their bodies' names end; the knuckles and the thumb's hub have no shape of their own.
_LINK_OF = {"distal": 0, "middle": 1, "proximal": 2}
_PALM = (names.PALM, "lfmetacarpal", "wrist")
# Of the way from a distal joint to the fingertip's marker: what lies beyond is the tip, the rest the pad.
_TIP_SHARE = 0.85


@dataclasses.dataclass(frozen=True)
class Touches:
    """What touches the object.

    Attributes:
        link_TFL: (T, F, L) bool, a finger's link touches.
        tip_TF: (T, F) bool, it does so with nothing but its tip.
        palm_T: (T,) bool, the palm does.
        point_TF3: (T, F, 3) m, world frame, the mean of a finger's contact points; NaN where it does not touch.
    """

    link_TFL: np.ndarray
    tip_TF: np.ndarray
    palm_T: np.ndarray
    point_TF3: np.ndarray

    @property
    def fingers(self) -> np.ndarray:
        """(T, F) bool, any link of a finger touches."""
        return np.any(self.link_TFL, axis=2)


def find_touches(scene: Scene, qpos_TQ: np.ndarray) -> Touches:
    """Finds what touches the object in each of the poses (T, Q), by geometry alone."""
    model, data = scene.model, mujoco.MjData(scene.model)
    bodies = _hand_parts(model)
    object_geoms = set(scene.object_geoms.tolist())
    count, fingers = len(qpos_TQ), len(names.FINGERS)
    link = np.zeros((count, fingers, len(LINKS)), bool)
    off_tip = np.zeros((count, fingers), bool)
    palm = np.zeros(count, bool)
    points = np.zeros((count, fingers, 3))
    hits = np.zeros((count, fingers))
    for moment, qpos in enumerate(qpos_TQ):
        data.qpos[:] = qpos
        mujoco.mj_kinematics(model, data)
        mujoco.mj_collision(model, data)
        for contact in data.contact:
            pair = {int(contact.geom1), int(contact.geom2)}
            other = pair - object_geoms
            # Within the margin the solver pushes: an object at rest stands there, some 0.4 mm off.
            if contact.dist >= contact.includemargin or len(other) != 1 or len(pair) != 2:
                continue
            body = int(model.geom_bodyid[other.pop()])
            if body not in bodies:
                continue
            finger, part = bodies[body]
            if finger < 0:
                palm[moment] = True
                continue
            link[moment, finger, part] = True
            points[moment, finger] += contact.pos
            hits[moment, finger] += 1
            if part != 0 or not _at_tip(data, scene, finger, body, contact.pos):
                off_tip[moment, finger] = True
    with np.errstate(invalid="ignore"):
        points /= hits[:, :, None]
    return Touches(link, link.any(axis=2) & ~off_tip, palm, points)


def _hand_parts(model: mujoco.MjModel) -> dict[int, tuple[int, int]]:
    """Finger and link of each body that counts, the palm's finger being -1."""
    found: dict[int, tuple[int, int]] = {}
    for body in range(model.nbody):
        name = model.body(body).name.removeprefix(names.PREFIX)
        if name in _PALM:
            found[body] = (-1, 0)
        finger, part = name[:2], name[2:]
        if finger in names.FINGERS and part in _LINK_OF:
            found[body] = (names.FINGERS.index(finger), _LINK_OF[part])
    return found


def _at_tip(data: mujoco.MjData, scene: Scene, finger: int, body: int, point: np.ndarray) -> bool:
    along = data.site_xpos[scene.fingertip_sites[finger]] - data.xpos[body]
    return float((point - data.xpos[body]) @ along) > _TIP_SHARE * float(along @ along)

"""Which parts of the hand touch the object, moment by moment."""

from __future__ import annotations

import dataclasses

import mujoco
import numpy as np

from dexctl.errors import ProfileError
from dexctl.scene import names
from dexctl.scene.build import Scene

# T moments, F fingers (the thumb last), L links from the tip inwards.

LINKS = ("distal", "middle", "proximal")
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
    """Finds what touches the object in each of the poses (T, Q), by geometry alone.

    Raises:
        ProfileError: the hand's fingers are not called as those of which grasps are told.
    """
    model, data = scene.model, mujoco.MjData(scene.model)
    bodies = _hand_parts(scene)
    sites = dict(zip(scene.anatomy.fingertip_links, scene.fingertip_sites, strict=True))
    tips = [int(sites[name]) for name in names.FINGERS]
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
            if part != 0 or not _at_tip(data, tips[finger], body, contact.pos):
                off_tip[moment, finger] = True
    with np.errstate(invalid="ignore"):
        points /= hits[:, :, None]
    return Touches(link, link.any(axis=2) & ~off_tip, palm, points)


def _hand_parts(scene: Scene) -> dict[int, tuple[int, int]]:
    """Finger and link of each body that counts, the palm's finger being -1.

    A finger's links are the last three bodies with a shape on the way from its tip to the palm, where
    the ways of all fingers meet; the thumb's are all of them, the last ones counted as one. What else hangs on the
    palm belongs to it, and so does what it hangs on.
    """
    model, links = scene.model, scene.anatomy.fingertip_links
    if set(links) != set(names.FINGERS):
        raise ProfileError(
            f"hand.names.fingertip_links: grasps are told of the fingers {', '.join(names.FINGERS)}, "
            f"this hand has {', '.join(links)}"
        )
    ways = {finger: _way_up(model, model.body(link).id) for finger, link in links.items()}
    shared = set.intersection(*map(set, ways.values()))
    palm = next(body for body in ways[names.FINGERS[0]] if body in shared)
    shaped = {int(model.geom_bodyid[geom]) for geom in range(model.ngeom) if model.geom_contype[geom]}
    found: dict[int, tuple[int, int]] = {int(model.body_parentid[palm]): (-1, 0)}
    found |= {body: (-1, 0) for body in range(palm, model.nbody) if palm in _way_up(model, body)}
    for index, finger in enumerate(names.FINGERS):
        way = [body for body in ways[finger] if body in shaped and body not in shared]
        links_of = way if finger == "th" else way[: len(LINKS)]
        found |= {body: (index, min(part, len(LINKS) - 1)) for part, body in enumerate(links_of)}
    return found


def _way_up(model: mujoco.MjModel, body: int) -> list[int]:
    """A body and all it hangs on, but for the world."""
    way = []
    while body:
        way.append(body)
        body = int(model.body_parentid[body])
    return way


def _at_tip(data: mujoco.MjData, tip: int, body: int, point: np.ndarray) -> bool:
    along = data.site_xpos[tip] - data.xpos[body]
    return float((point - data.xpos[body]) @ along) > _TIP_SHARE * float(along @ along)

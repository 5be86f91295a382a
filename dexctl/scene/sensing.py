"""What motion capture adds to the scene: markers that may sit elsewhere than they should, and what hides them.

None of it moves anything: the boxes that hide markers meet other geoms in contacts that are listed
and never enter the solver.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import mujoco

from dexctl.profile import schema
from dexctl.scene import names
from dexctl.scene.anatomy import Anatomy

# A contact enters the solver when it is deeper than minus its margin, and is listed from margin + gap.
_NEVER_M = -1.0
# Of a contact sensor: how many were found, and how near; of the nearest one.
_FOUND_AND_DISTANCE = (1 << mujoco.mjtConDataField.mjCONDATA_FOUND.value) | (
    1 << mujoco.mjtConDataField.mjCONDATA_DIST.value
)
_NEAREST = 1


def add_seen_markers(spec: mujoco.MjSpec, named: Anatomy) -> None:
    """Adds a twin to each marker of a hand, which randomization may move while the true one stays."""
    for name in (*named.fingertip_markers, *named.base_markers):
        true = spec.site(name)
        true.parent.add_site(name=names.seen(name), pos=true.pos, size=true.size, group=true.group)


def add_occlusion(spec: mujoco.MjSpec, hand: schema.Hand, distance_m: float) -> None:
    """Adds a box to each fingertip's nail, and a sensor of what comes near it.

    Args:
        distance_m: from where on a neighbour must be sensed at the latest.
    """
    tips = {finger: spec.site(names.fingertip_marker(finger)).parent for finger in hand.fingertip_markers}
    numbers = itertools.count()
    for finger, marker in hand.fingertip_markers.items():
        box = names.occlusion_box(finger)
        tips[finger].add_geom(
            name=box,
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=marker.occlusion_center_m,
            size=marker.occlusion_half_size_m,
            mass=0.0,
            contype=0,
            conaffinity=0,
            group=4,
        )
        # A finger's last two links are what reaches another finger's nail.
        links = [link for other, tip in tips.items() if other != finger for link in (tip, tip.parent)]
        # Fingers may share a link: each of its geoms once.
        near = [*(geom for link in links for geom in link.geoms), *spec.body(names.OBJECT).find_all("geom")]
        neighbours = {geom.name: geom for geom in _colliding(near, numbers)}
        for geom in neighbours.values():
            spec.add_pair(
                name=f"{box}:{geom.name}",
                geomname1=box,
                geomname2=geom.name,
                condim=1,
                margin=_NEVER_M,
                gap=max(0.0, distance_m) - _NEVER_M,
            )
        sensor = spec.add_sensor(
            name=box, type=mujoco.mjtSensor.mjSENS_CONTACT, objtype=mujoco.mjtObj.mjOBJ_GEOM, objname=box
        )
        sensor.intprm[:3] = (_FOUND_AND_DISTANCE, _NEAREST, 1)


def _colliding(geoms: list[mujoco.MjsGeom], numbers: Iterator[int]) -> list[mujoco.MjsGeom]:
    """Those that take part in contacts; those without a name get one, since pairs go by name."""
    found = [geom for geom in geoms if geom.contype or geom.conaffinity]
    for geom in found:
        geom.name = geom.name or f"neighbour:{next(numbers)}"
    return found

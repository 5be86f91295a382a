"""What the parts of a profile's hand are called, whichever hand it is, in the order that arrays use."""

from __future__ import annotations

import dataclasses

from dexctl.errors import ProfileError
from dexctl.profile import schema
from dexctl.scene import names

GYMNASIUM_ROBOTICS = "gymnasium-robotics"


@dataclasses.dataclass(frozen=True)
class Anatomy:
    """Names of a hand's parts.

    Attributes:
        joints: of angles and velocities.
        actuators: of actions, in the order of the model's own.
        coupled: joints without a motor of their own, by the joint that they move with.
        fingertip_links: last link of each finger, as the model spells it, by finger.
        base_markers: sites on the hand's base.
        prefix: what the model puts before names of joints and actuators.
    """

    joints: tuple[str, ...]
    actuators: tuple[str, ...]
    coupled: dict[str, str]
    fingertip_links: dict[str, str]
    base_markers: tuple[str, ...]
    prefix: str = ""

    @property
    def fingertip_markers(self) -> tuple[str, ...]:
        """Marker sites, a finger each."""
        return tuple(map(names.fingertip_marker, self.fingertip_links))

    @property
    def occlusion_boxes(self) -> tuple[str, ...]:
        """Boxes that hide them."""
        return tuple(map(names.occlusion_box, self.fingertip_links))

    def in_model(self, name: str) -> str:
        """Name of a joint or actuator as the model spells it."""
        return self.prefix + name


def anatomy(hand: schema.Hand) -> Anatomy:
    """The names of a profile's hand: those of ``hand.names``, or of Gymnasium-Robotics' Shadow hand.

    Raises:
        ProfileError: another hand's names are not given.
    """
    if hand.model == GYMNASIUM_ROBOTICS:
        links = {finger: names.in_model(f"{finger}distal") for finger in names.FINGERS}
        return Anatomy(names.JOINTS, names.ACTUATORS, names.COUPLED, links, names.BASE_MARKERS, names.PREFIX)
    given = hand.names
    if given is None:
        raise ProfileError(f"hand.names: expected the names of the parts of {hand.model}")
    return Anatomy(
        tuple(given.joints), tuple(given.actuators), given.coupled, given.fingertip_links, tuple(hand.base_markers_m)
    )

"""Every name of the Shadow hand's model, in the order that arrays use.

The order is that of the paper's lineage (wrist, first, middle, ring, little finger, thumb) and of
the model file, so that joint arrays are ``qpos[:, :24]`` and action arrays are ``ctrl``.
"""

from __future__ import annotations

PREFIX = "robot0:"

FINGERS = ("ff", "mf", "rf", "lf", "th")

JOINTS = (
    *("WRJ1", "WRJ0"),
    *("FFJ3", "FFJ2", "FFJ1", "FFJ0"),
    *("MFJ3", "MFJ2", "MFJ1", "MFJ0"),
    *("RFJ3", "RFJ2", "RFJ1", "RFJ0"),
    *("LFJ4", "LFJ3", "LFJ2", "LFJ1", "LFJ0"),
    *("THJ4", "THJ3", "THJ2", "THJ1", "THJ0"),
)

# Joint J0 of a finger has no motor of its own: it moves with J1 (appendix B.1).
COUPLED = {"FFJ1": "FFJ0", "MFJ1": "MFJ0", "RFJ1": "RFJ0", "LFJ1": "LFJ0"}

ACTUATED = tuple(joint for joint in JOINTS if joint not in COUPLED.values())
ACTUATORS = tuple(f"A_{joint}" for joint in ACTUATED)

PALM = "palm"
# First body of each finger, which carries all others of it.
FINGER_BODIES = {"ff": "ffknuckle", "mf": "mfknuckle", "rf": "rfknuckle", "lf": "lfmetacarpal", "th": "thbase"}
BASE_MARKERS = ("base0", "base1", "base2")

OBJECT = "object"
OBJECT_JOINT = "object:joint"
TARGET = "target"


def fingertip_marker(finger: str) -> str:
    """Name of the marker site on a fingertip."""
    return f"marker_{finger}"


def occlusion_box(finger: str) -> str:
    """Name of the box on a nail that hides the marker."""
    return f"occlusion_{finger}"


def seen(marker: str) -> str:
    """Name of the twin of a marker, which sits where motion capture sees it."""
    return f"seen:{marker}"


FINGERTIP_MARKERS = tuple(map(fingertip_marker, FINGERS))
OCCLUSION_BOXES = tuple(map(occlusion_box, FINGERS))


def in_model(name: str) -> str:
    """Name of a hand's element as the Gymnasium-Robotics model spells it."""
    return PREFIX + name


def coupling_tendon(joint: str) -> str:
    """Name of the actuated tendon that sums a coupled pair's angles, by its driven joint."""
    return f"T_{joint}+{COUPLED[joint]}"

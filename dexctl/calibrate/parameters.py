"""What is fitted: seven numbers of each joint and four of each actuator (appendix C.3).

A hand is two arrays, (24, 7) and (20, 4), in the units of its profile. A fit moves a vector of those
it was asked for, each measured in its expected spread, so that 0 is the hand it started from.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from dexctl.calibrate.fingers import Finger
from dexctl.profile import schema
from dexctl.scene import names

JOINT_KINDS = ("damping", "equilibrium", "friction_loss", "stiffness", "margin", "lower_limit", "upper_limit")
ACTUATOR_KINDS = ("gain", "force_limit", "backlash_inward", "backlash_outward")
GROUPS: Mapping[str, tuple[str, ...]] = {
    "dynamics": ("damping", "friction_loss"),
    "springs": ("stiffness", "equilibrium"),
    "limits": ("lower_limit", "upper_limit", "margin"),
    "motors": ("gain", "force_limit"),
    "backlash": ("backlash_inward", "backlash_outward"),
}
# Two limits of a joint stay so far apart.
_LEAST_WIDTH_RAD = 0.02

# P parameters of a fit, B hands side by side.


@dataclasses.dataclass(frozen=True)
class HandNumbers:
    """The numbers of B hands.

    Attributes:
        joints: (B, 24, 7) in the order of ``JOINT_KINDS``; actuators: (B, 20, 4) of ``ACTUATOR_KINDS``.
    """

    joints: np.ndarray
    actuators: np.ndarray


class Parameter(NamedTuple):
    """One number that is fitted: its kind, and the joint or actuator that it is of."""

    kind: str
    owner: str

    def __str__(self) -> str:
        return f"{self.owner} {self.kind}"


def numbers_of(hand: schema.Hand) -> HandNumbers:
    """The numbers of one hand, B = 1."""
    joints = [
        (
            one.damping,
            one.spring_reference_rad,
            one.friction_loss,
            one.stiffness,
            one.margin_rad,
            *one.range_rad,
        )
        for one in (hand.joints[name] for name in names.JOINTS)
    ]
    actuators = [
        (one.gain, one.force_limit_nm, *one.backlash_log) for one in (hand.actuators[name] for name in names.ACTUATORS)
    ]
    return HandNumbers(np.array([joints], dtype=np.float64), np.array([actuators], dtype=np.float64))


def hand_with(hand: schema.Hand, numbers: HandNumbers) -> schema.Hand:
    """The same hand with other numbers, those of B = 1."""
    joints = {}
    for name, row in zip(names.JOINTS, numbers.joints[0].tolist(), strict=True):
        damping, equilibrium, friction, stiffness, margin, lower, upper = row
        joints[name] = schema.Joint(
            range_rad=(lower, upper),
            damping=damping,
            friction_loss=friction,
            stiffness=stiffness,
            spring_reference_rad=equilibrium,
            margin_rad=margin,
        )
    actuators = {
        name: msgspec.structs.replace(
            hand.actuators[name], gain=gain, force_limit_nm=force, backlash_log=(inward, outward)
        )
        for name, (gain, force, inward, outward) in zip(names.ACTUATORS, numbers.actuators[0].tolist(), strict=True)
    }
    return msgspec.structs.replace(hand, joints=joints, actuators=actuators)


def write(numbers: HandNumbers, parameters: Sequence[Parameter], values: np.ndarray) -> HandNumbers:
    """The same hands with the values (P,) of parameters written into each."""
    joints, actuators = numbers.joints.copy(), numbers.actuators.copy()
    for (kind, owner), value in zip(parameters, values, strict=True):
        if kind in JOINT_KINDS:
            joints[:, names.JOINTS.index(owner), JOINT_KINDS.index(kind)] = value
        else:
            actuators[:, names.ACTUATORS.index(owner), ACTUATOR_KINDS.index(kind)] = value
    return HandNumbers(_apart(joints), actuators)


def _apart(joints: np.ndarray) -> np.ndarray:
    """Joints (B, 24, 7), each one's upper limit moved above its lower one."""
    lower, upper = JOINT_KINDS.index("lower_limit"), JOINT_KINDS.index("upper_limit")
    joints[:, :, upper] = np.maximum(joints[:, :, upper], joints[:, :, lower] + _LEAST_WIDTH_RAD)
    return joints


class Layout:
    """Which numbers a fit moves, and how its vector becomes hands.

    Attributes:
        parameters: one for each entry of the vector.
        low, high: (P,) bounds.
    """

    def __init__(
        self, start: HandNumbers, settings: schema.Calibrate, kinds: Sequence[str], parts: Sequence[Finger]
    ) -> None:
        """Takes what is asked for.

        Args:
            start: the hand at 0, B = 1.
            kinds: of ``JOINT_KINDS`` and ``ACTUATOR_KINDS``.
            parts: whose joints and actuators move.
        """
        self._start = start
        entries = [
            (Parameter(kind, names.JOINTS[joint]), True, int(joint), JOINT_KINDS.index(kind))
            for part in parts
            for joint in part.joints
            for kind in JOINT_KINDS
            if kind in kinds
        ]
        entries += [
            (Parameter(kind, names.ACTUATORS[actuator]), False, int(actuator), ACTUATOR_KINDS.index(kind))
            for part in parts
            for actuator in part.actuators
            for kind in ACTUATOR_KINDS
            if kind in kinds
        ]
        self.parameters = [entry[0] for entry in entries]
        self._of_joint = np.array([entry[1] for entry in entries], dtype=bool)
        self._row = np.array([entry[2] for entry in entries], dtype=np.int64)
        self._column = np.array([entry[3] for entry in entries], dtype=np.int64)
        told = [settings.parameters[one.kind] for one in self.parameters]
        self.is_factor = np.array([one.by == "factor" for one in told], dtype=bool)
        self.spread = np.array([one.spread for one in told])
        first = self._read(start)[0]
        self._origin = np.where(self.is_factor, 0.0, first)
        self._nominal = first
        bounds = np.array([one.range for one in told]).reshape(-1, 2)
        is_value = np.array([one.by == "value" for one in told], dtype=bool)[:, None]
        # Solvers step over a bound by a hair, and friction below 0 is no hand.
        self._least = np.where(is_value[:, 0], np.minimum(bounds[:, 0], first), -np.inf)
        ends = np.where(self.is_factor[:, None], np.log(np.maximum(bounds, 1e-9)), bounds)
        ends = np.where(is_value, ends - first[:, None], ends)
        # A hand that already lies outside may stay where it is.
        self.low = np.minimum(ends[:, 0] / self.spread, 0.0)
        self.high = np.maximum(ends[:, 1] / self.spread, 0.0)

    def __len__(self) -> int:
        return len(self.parameters)

    def values(self, vector: np.ndarray) -> np.ndarray:
        """Vectors (..., P) to the parameters' values (..., P), in the profile's units."""
        moved = vector * self.spread
        factored = self._nominal * np.exp(np.where(self.is_factor, moved, 0.0))
        return np.maximum(np.where(self.is_factor, factored, self._origin + moved), self._least)

    def vector(self, values: np.ndarray) -> np.ndarray:
        """Values (..., P) back to vectors (..., P)."""
        ratio = np.log(np.where(self.is_factor, values / np.where(self.is_factor, self._nominal, 1.0), 1.0))
        return np.where(self.is_factor, ratio, values - self._origin) / self.spread

    def hands(self, vectors: np.ndarray) -> HandNumbers:
        """Vectors (B, P) to B hands: what is not fitted is the start's."""
        count = len(vectors)
        joints = np.repeat(self._start.joints, count, axis=0)
        actuators = np.repeat(self._start.actuators, count, axis=0)
        values = self.values(vectors)
        of_joint = self._of_joint
        joints[:, self._row[of_joint], self._column[of_joint]] = values[:, of_joint]
        actuators[:, self._row[~of_joint], self._column[~of_joint]] = values[:, ~of_joint]
        return HandNumbers(_apart(joints), actuators)

    def read(self, numbers: HandNumbers) -> np.ndarray:
        """The parameters' values (B, P) of B hands."""
        return self._read(numbers)

    def _read(self, numbers: HandNumbers) -> np.ndarray:
        found = np.empty((len(numbers.joints), len(self.parameters)))
        of_joint = self._of_joint
        found[:, of_joint] = numbers.joints[:, self._row[of_joint], self._column[of_joint]]
        found[:, ~of_joint] = numbers.actuators[:, self._row[~of_joint], self._column[~of_joint]]
        return found

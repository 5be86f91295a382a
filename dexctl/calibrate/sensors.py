"""Joint sensors calibrated by the markers on the fingertips (appendix B.5).

What a robot reports of a joint goes through a table of three to five points, linear between them.
The tables are moved until the fingertips that follow from the angles lie where motion capture saw them.
"""

from __future__ import annotations

import dataclasses

import msgspec
import mujoco
import numpy as np
from mujoco import minimize

from dexctl.calibrate.fingers import Finger, fingers
from dexctl.errors import DataError
from dexctl.profile import schema
from dexctl.scene import names
from dexctl.scene.build import build_hand_scene

# Chosen: points of a new table; how far a point may be expected to be off, and markers; moments that are looked at.
_POINTS = 4
_SPREAD_RAD = 0.1
_MARKER_M = 0.001
_BOUND_RAD = 0.5
_MOMENTS = 300
_ITERATIONS = 30
_DIFFERENCE_RAD = 1e-4

# T moments, K points of all tables of a finger, F joints of it.


@dataclasses.dataclass(frozen=True)
class SensorFit:
    """Tables that were fitted.

    Attributes:
        sensors: by joint.
        before_m, after_m: root mean square distance of each fingertip from its marker, by finger.
    """

    sensors: dict[str, schema.JointSensor]
    before_m: dict[str, float]
    after_m: dict[str, float]


def corrected(hand: schema.Hand, reported_rad: np.ndarray) -> np.ndarray:
    """Angles (T, 24) from what a robot reports (T, 24), by the hand's tables; as reported where it has none."""
    found = reported_rad.copy()
    for name, sensor in hand.sensors.items():
        joint = names.JOINTS.index(name)
        found[:, joint] = through_table(sensor.reported_rad, sensor.angle_rad, reported_rad[:, joint])
    return found


def through_table(reported_rad: list[float], angle_rad: list[float], values: np.ndarray) -> np.ndarray:
    """Values (T,) through one table; beyond its ends the last piece goes on."""
    x, y = np.asarray(reported_rad), np.asarray(angle_rad)
    piece = np.clip(np.searchsorted(x, values, side="right") - 1, 0, len(x) - 2)
    slope = (y[piece + 1] - y[piece]) / (x[piece + 1] - x[piece])
    return y[piece] + slope * (values - x[piece])


def fit_sensors(profile: schema.Profile, reported_rad: np.ndarray, fingertips_m: np.ndarray) -> SensorFit:
    """Fits the tables of the fingers' joints; the wrist, which moves all fingers at once, keeps its own.

    Args:
        reported_rad: (T, 24) what the robot reports of its joints.
        fingertips_m: (T, 5, 3) markers in the world.

    Raises:
        DataError: nothing moved.
    """
    some = np.unique(np.linspace(0, len(reported_rad) - 1, _MOMENTS).astype(int))
    sound = np.isfinite(reported_rad[some]).all(axis=1) & np.isfinite(fingertips_m[some]).all(axis=(1, 2))
    some = some[sound]
    found, before, after = {}, {}, {}
    for finger in fingers(names.FINGERS):
        one = _Finger(profile, finger, reported_rad[some], fingertips_m[some, names.FINGERS.index(finger.name)])
        if not len(one.tables):
            continue
        start = np.zeros(len(one.start))
        bound = np.full(len(start), _BOUND_RAD / _SPREAD_RAD)
        vector, _ = minimize.least_squares(
            start,
            one.residual,
            bounds=(-bound, bound),
            eps=np.float64(_DIFFERENCE_RAD / _SPREAD_RAD),
            max_iter=_ITERATIONS,
            verbose=minimize.Verbosity.SILENT,
        )
        found |= one.sensors(vector)
        before[finger.name], after[finger.name] = one.distance_m(start), one.distance_m(vector)
    if not found:
        raise DataError("no joint of a finger moved while markers were seen", "Record the calibration's motions.")
    return SensorFit(found, before, after)


class _Finger:
    """One finger's tables as a vector of shifts of their points, in units of the expected spread."""

    def __init__(
        self, profile: schema.Profile, finger: Finger, reported_rad: np.ndarray, markers_m: np.ndarray
    ) -> None:
        self._scene = build_hand_scene(profile)
        self._data = mujoco.MjData(self._scene.model)
        self._site = self._scene.fingertip_sites[names.FINGERS.index(finger.name)]
        self._reported, self._markers = reported_rad, markers_m
        self._angles = corrected(profile.hand, reported_rad)
        self.tables: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for joint in finger.joints:
            name, values = names.JOINTS[joint], reported_rad[:, joint]
            if len(values) and np.ptp(values) > _SPREAD_RAD:
                known = profile.hand.sensors.get(name)
                points = np.array(known.reported_rad) if known else np.linspace(values.min(), values.max(), _POINTS)
                angles = np.array(known.angle_rad) if known else points.copy()
                self.tables[name] = (points, angles)
        self.start = np.concatenate([angles for _, angles in self.tables.values()] or [np.empty(0)])
        self._ends = np.cumsum([len(points) for points, _ in self.tables.values()])[:-1]

    def residual(self, columns: np.ndarray) -> np.ndarray:
        """(K, B) to (R, B): how far tips are from markers, and points from where they began."""
        rows = [np.concatenate((self._off_m(vector).ravel() / _MARKER_M, vector)) for vector in columns.T]
        return np.stack(rows, axis=1)

    def distance_m(self, vector: np.ndarray) -> float:
        """Root mean square distance of tip and marker."""
        return float(np.sqrt(np.square(self._off_m(vector)).sum(axis=1).mean()))

    def sensors(self, vector: np.ndarray) -> dict[str, schema.JointSensor]:
        """The tables of a vector (K,)."""
        moved = np.split(self.start + _SPREAD_RAD * vector, self._ends)
        return {
            name: schema.JointSensor(reported_rad=points.tolist(), angle_rad=angles.tolist())
            for (name, (points, _)), angles in zip(self.tables.items(), moved, strict=True)
        }

    def _off_m(self, vector: np.ndarray) -> np.ndarray:
        angles = self._angles.copy()
        for name, sensor in self.sensors(vector).items():
            joint = names.JOINTS.index(name)
            angles[:, joint] = through_table(sensor.reported_rad, sensor.angle_rad, self._reported[:, joint])
        tips = np.empty_like(self._markers)
        for moment, pose in enumerate(angles):
            self._data.qpos[self._scene.joint_qpos] = pose
            mujoco.mj_kinematics(self._scene.model, self._data)
            tips[moment] = self._data.site_xpos[self._site]
        return tips - self._markers


def with_sensors(hand: schema.Hand, fit: SensorFit) -> schema.Hand:
    """The same hand with other tables."""
    return msgspec.structs.replace(hand, sensors={**hand.sensors, **fit.sensors})

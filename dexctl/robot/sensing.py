"""What a simulated robot says of itself: late, noisy, biased, and with markers out of sight."""

from __future__ import annotations

import mujoco
import numpy as np

from dexctl.profile import schema
from dexctl.robot.body import Body
from dexctl.robot.gap import Member

SENSES = (
    "joint_angles",
    "joint_velocities",
    "actuator_angles",
    "actuator_torques",
    "fingertip_markers",
    "base_markers",
    "object_position",
    "object_orientation",
    "object_velocity",
    "object_angular_velocity",
    "joint_age",
    "fingertip_age",
    "object_age",
)


class Sensing:
    """The sensors of one simulated robot.

    Marker loss is drawn by the robot's clock; noise is drawn for each reading.
    """

    def __init__(self, body: Body, sensors: schema.Sensors, member: Member, seed: int) -> None:
        """Args: seed: of the noise."""
        self._body, self._member = body, member
        self._rng = np.random.default_rng((seed, 1))
        self._joint_lag = round(member.joint_delay_s / body.timestep_s)
        self._capture_lag = round(member.capture_delay_s / body.timestep_s)
        self._window = round(sensors.velocity_window_s / body.timestep_s)
        self._offset_q = _quaternion(member.object_offset_rad)
        self._base = body.data.site_xpos[body.scene.base_sites].copy()
        markers = len(body.scene.fingertip_sites)
        self._hidden_until_s = np.zeros(markers)
        self._drawn_to_s = 0.0
        self._placings = 0
        self._held = body.history.markers(0)
        self._seen_s = np.zeros(markers)
        # Of the object; nothing is held of it before the first reading, which sees it.
        self._object_hidden_until_s = self._object_seen_s = 0.0
        self._object_held = (np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]), np.zeros(3), np.zeros(3))

    def read(self, time_s: float, idle_s: float = 0.0) -> dict[str, np.ndarray]:
        """The newest values by quantity, each float64 and finite.

        Args:
            time_s: robot's clock, never backwards.
            idle_s: since the newest step of physics; by so much more is everything old.
        """
        body, member, rng = self._body, self._member, self._rng
        history, newest = body.history, body.steps
        joint, capture = self._row(newest, self._joint_lag), self._row(newest, self._capture_lag)
        noise = member.joint_noise_rad
        angles = history.angles(joint) + member.joint_bias_rad
        if noise:
            angles = angles + rng.normal(0.0, noise, len(angles))
        captured_s = time_s - idle_s - self._capture_lag * body.timestep_s
        if self._placings != body.placings:
            # What was seen of another state says nothing of this one.
            self._placings = body.placings
            self._hidden_until_s[:] = self._object_hidden_until_s = self._drawn_to_s = time_s
        markers, age_s = self._markers(history.markers(capture), time_s, captured_s)
        seen, object_age_s = self._object_seen(newest, capture, time_s, captured_s)
        position, orientation, linear, angular = seen
        self._drawn_to_s = time_s
        return {
            "joint_angles": angles,
            "joint_velocities": self._joint_velocities(newest, joint, noise),
            "actuator_angles": history.lengths[joint] + body.reads @ member.joint_bias_rad,
            "actuator_torques": history.torques[joint].copy(),
            "fingertip_markers": markers,
            "base_markers": self._base,
            "object_position": position,
            "object_orientation": orientation,
            "object_velocity": linear,
            "object_angular_velocity": angular,
            "joint_age": np.array([idle_s + self._joint_lag * body.timestep_s]),
            "fingertip_age": age_s,
            "object_age": np.array([object_age_s]),
        }

    def _row(self, newest: int, lag: int) -> int:
        return (newest - lag) % self._body.rows

    def _lost(self, count: int, per_s: float, lasts_s: float, time_s: float) -> np.ndarray:
        """(count,) bool: what was lost since the last reading; longer ago than a loss lasts it was found again."""
        elapsed_s = min(time_s - self._drawn_to_s, lasts_s)
        if elapsed_s <= 0.0:
            return np.zeros(count, bool)
        return self._rng.random(count) < 1.0 - np.exp(-per_s * elapsed_s)

    def _markers(self, true: np.ndarray, time_s: float, captured_s: float) -> tuple[np.ndarray, np.ndarray]:
        member = self._member
        if member.marker_loss_per_s:
            lost = self._lost(len(true), member.marker_loss_per_s, member.marker_loss_s, time_s)
            self._hidden_until_s[lost & (time_s >= self._hidden_until_s)] = time_s + member.marker_loss_s
        visible = time_s >= self._hidden_until_s
        if member.marker_noise_m:
            true = true + self._rng.normal(0.0, member.marker_noise_m, true.shape)
        self._held[visible] = true[visible]
        self._seen_s[visible] = captured_s
        return self._held.copy(), np.maximum(0.0, time_s - self._seen_s)

    def _object_seen(
        self, newest: int, capture: int, time_s: float, captured_s: float
    ) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], float]:
        """What is seen of the object, or was when it was last in sight, and how long ago."""
        member = self._member
        rate, lasts_s = member.object_loss_per_s, member.object_loss_s
        if rate and time_s >= self._object_hidden_until_s and self._lost(1, rate, lasts_s, time_s).any():
            self._object_hidden_until_s = time_s + lasts_s
        if time_s >= self._object_hidden_until_s:
            pose = self._body.history.object_pose(capture)
            self._object_held = *self._object(pose[:3], pose[3:]), *self._object_velocity(newest, capture)
            self._object_seen_s = captured_s
        return self._object_held, max(0.0, time_s - self._object_seen_s)

    def _object(self, position: np.ndarray, orientation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        member = self._member
        if member.object_offset_m.any() or member.object_noise_m:
            position = position + member.object_offset_m + self._rng.normal(0.0, member.object_noise_m, 3)
        if member.object_offset_rad.any() or member.object_noise_rad:
            noise = _quaternion(self._rng.normal(0.0, member.object_noise_rad, 3))
            orientation = _product(noise, _product(self._offset_q, orientation))
        return position, orientation

    def _joint_velocities(self, newest: int, row: int, noise: float) -> np.ndarray:
        history = self._body.history
        if not self._window:
            return history.velocities(row)
        window_s = self._window * self._body.timestep_s
        before = history.angles(self._row(newest, self._joint_lag + self._window))
        # Two noisy measurements make one difference.
        wrong = self._rng.normal(0.0, noise * np.sqrt(2.0), len(before))
        return (history.angles(row) - before + wrong) / window_s

    def _object_velocity(self, newest: int, row: int) -> tuple[np.ndarray, np.ndarray]:
        history, member = self._body.history, self._member
        if not self._window:
            velocity = history.object_velocity(row)
            return velocity[:3], velocity[3:]
        window_s = self._window * self._body.timestep_s
        before = history.object_pose(self._row(newest, self._capture_lag + self._window))
        now = history.object_pose(row)
        linear = now[:3] - before[:3] + self._rng.normal(0.0, member.object_noise_m * np.sqrt(2.0), 3)
        turn = np.empty(3)
        mujoco.mju_subQuat(turn, now[3:], before[3:])
        turn += self._rng.normal(0.0, member.object_noise_rad * np.sqrt(2.0), 3)
        return linear / window_s, turn / window_s


def _quaternion(rotation_vector: np.ndarray) -> np.ndarray:
    angle = float(np.linalg.norm(rotation_vector))
    quaternion = np.array([1.0, 0.0, 0.0, 0.0])
    if angle > 0.0:
        mujoco.mju_axisAngle2Quat(quaternion, rotation_vector / angle, angle)
    return quaternion


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    out = np.empty(4)
    mujoco.mju_mulQuat(out, a, b)
    return out

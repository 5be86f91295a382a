"""When a robot must be stopped: stale or lost sensing, limits hit too often, no more motion."""

from __future__ import annotations

import numpy as np

from dexctl.errors import SafetyStop
from dexctl.profile import schema
from dexctl.robot.protocol import Features, Reading


class Guard:
    """Looks at every reading of a trial.

    Attributes:
        hits: control steps of this trial in which a limit was hit.
    """

    def __init__(self, safety: schema.Safety, features: Features) -> None:
        """Args: features: whose limits hold."""
        self.hits = 0
        self._safety, self._features = safety, features
        ranges = np.array(features.joint_range_rad).reshape(-1, 2)
        self._low = ranges[:, 0] - safety.range_margin_rad
        self._high = ranges[:, 1] + safety.range_margin_rad
        self._torque_nm = np.array(features.force_limit_nm) * safety.torque_share

    def begin(self) -> None:
        """A trial begins."""
        self.hits = 0

    def check(self, reading: Reading, armed: bool = True) -> None:
        """Looks at a reading.

        Raises:
            SafetyStop: the robot must be stopped, or has stopped itself.
        """
        values, safety = reading.values, self._safety
        for name, value in values.items():
            if not np.isfinite(value).all():
                raise SafetyStop(f"the robot says {name} is not finite", "Look at its sensors.")
        if armed and reading.mode != "moving":
            raise SafetyStop(
                f"the robot stopped by itself: it is {reading.mode}",
                "Its watchdog had no command in time: look for what held the controller up.",
            )
        self._check_age("the joints were measured", values.get("joint_age"), safety.sensor_age_s)
        self._check_age("a fingertip was seen", values.get("fingertip_age"), safety.fingertip_age_s)
        self._check_age("the object was seen", values.get("object_age"), safety.object_age_s)
        hit = self._hit(reading)
        if hit:
            self.hits += 1
            if self.hits > safety.limit_hits:
                raise SafetyStop(
                    f"limits were hit in {self.hits} steps of one trial, at last: {hit}",
                    "Look at the policy; robot.safety.limit_hits of the robot's profile allows more.",
                )

    def _check_age(self, what: str, age: np.ndarray | None, limit_s: float) -> None:
        if age is not None and age.max() > limit_s:
            raise SafetyStop(
                f"{what} {age.max():.2f} s ago, at most {limit_s:g} s are allowed", "Look at the sensors and cameras."
            )

    def _hit(self, reading: Reading) -> str:
        values, features = reading.values, self._features
        angles = values.get("joint_angles")
        if angles is not None:
            wrong = (angles < self._low) | (angles > self._high)
            if wrong.any():
                joint = int(np.argmax(wrong))
                return f"{features.joints[joint]} at {angles[joint]:.2f} rad"
        speeds = values.get("joint_velocities")
        if speeds is not None and np.abs(speeds).max() > features.velocity_limit_rad_s:
            joint = int(np.argmax(np.abs(speeds)))
            return f"{features.joints[joint]} at {speeds[joint]:.1f} rad/s"
        torques = values.get("actuator_torques")
        # Motors that clip their own force reach it and never pass it.
        if torques is not None and (np.abs(torques) > self._torque_nm * (1 + 1e-9)).any():
            motor = int(np.argmax(np.abs(torques) - self._torque_nm))
            return f"{features.actuators[motor]} at {torques[motor]:.2f} N m"
        return ""

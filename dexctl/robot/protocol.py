"""The ``Robot`` protocol: what a policy needs of a hand, whichever hand it is.

Features come as data before connecting; ``act`` returns what was really sent. Everything is in SI
units, in the robot's own clock, and in the order of joints and actuators that the features name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Protocol

import numpy as np

from dexctl.wire.robot_messages import QUANTITIES, Features, Mode

__all__ = ["QUANTITIES", "Features", "Mode", "Reading", "Robot", "Sent", "State"]


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a robot senses at one moment.

    Attributes:
        time_s: on the robot's clock.
        mode: what it does: ``idle``, ``moving``, ``holding``, ``relaxed``.
        values: float64 arrays by quantity, see ``QUANTITIES``: those of the features, all finite. What is
            hidden keeps its last value and grows in age.
        images: (H, W, 3) uint8 by camera, when they were asked for; image_age_s: of the oldest of them.
    """

    time_s: float
    mode: Mode
    values: Mapping[str, np.ndarray]
    images: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    image_age_s: float = 0.0


@dataclasses.dataclass(frozen=True)
class Sent:
    """What became of a command.

    Attributes:
        time_s: when, on the robot's clock.
        change_rad: (A,) how far each motor was told to turn, after clipping.
        target_rad: (A,) the angle that this leads to.
        executed: whether the robot moves so; not when the command came too late.
        clipped: how many numbers were out of the limits.
    """

    time_s: float
    executed: bool
    change_rad: np.ndarray
    target_rad: np.ndarray
    clipped: int


@dataclasses.dataclass(frozen=True)
class State:
    """A state that a simulated robot can be put into.

    Attributes:
        joint_angles: (J,) rad; joint_velocities: (J,) rad/s.
        object_pose: (7,) position, m, and wxyz, world frame.
        object_velocity: (6,) as MuJoCo keeps a free body's: linear in the world's frame, angular in its own.
        warm_start: (J + 6,) where MuJoCo's solver starts to search; zeros when unknown.
    """

    joint_angles: np.ndarray
    joint_velocities: np.ndarray
    object_pose: np.ndarray
    object_velocity: np.ndarray
    warm_start: np.ndarray


class Robot(Protocol):
    """A hand to be moved; every method may raise ``UnavailableError`` (69) when it is gone.

    The order is ``connect``, ``arm``, any number of ``observe`` and ``act``, ``stop``, ``disconnect``.
    """

    @property
    def features(self) -> Features:
        """What the robot is; to be had before ``connect``."""
        ...

    def connect(self) -> None:
        """Takes control; nothing moves yet.

        Raises:
            TemporaryError: somebody else has it.
            RefusedError: not with this key.
        """
        ...

    def arm(self) -> None:
        """Lets commands move the robot from now on, until it stops, or its watchdog bites."""
        ...

    def observe(self, images: bool = False) -> Reading:
        """The newest reading, with pictures when asked for."""
        ...

    def act(self, change_rad: np.ndarray, observed_s: float) -> Sent:
        """Turns each motor by so much from where it is now; returns what was sent after clipping.

        Args:
            change_rad: (A,) finite.
            observed_s: ``time_s`` of the reading that this answers.

        Raises:
            SafetyStop: the robot does not move: it is not armed, or its watchdog bit.
        """
        ...

    def wait_until(self, time_s: float) -> float:
        """Waits until the robot's clock shows ``time_s``; returns what it shows then.

        A virtual clock is wound on. A signal ends the wait early.
        """
        ...

    def place(self, state: State) -> None:
        """Puts a simulated robot into a state; only where ``features.places``."""
        ...

    def stop(self, reason: str) -> None:
        """Holds at once and then lets go; safe to call at any time, and more than once."""
        ...

    def disconnect(self) -> None:
        """Stops and gives control away; safe to call at any time."""
        ...

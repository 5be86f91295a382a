"""A robot, and cameras of this machine that look at it."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

import msgspec
import numpy as np

from dexctl.profile import schema
from dexctl.robot.camera import Watch, open_camera, squared
from dexctl.robot.protocol import Features, Reading, Robot, Sent, State


class WatchedRobot:
    """``Robot`` whose pictures come from cameras beside it; a context manager that gives the cameras back."""

    def __init__(self, robot: Robot, cameras: Mapping[str, schema.RobotCamera], image_px: int) -> None:
        """Prepares; the cameras are opened by ``connect``.

        Args:
            cameras: by name, in the order of the features.
            image_px: edge of the pictures: the middle square of what a camera gives, at this size.
        """
        self._robot, self._settings, self._image_px = robot, cameras, image_px
        self._watches: dict[str, Watch] = {}

    @property
    def features(self) -> Features:
        """Those of the robot, with the cameras."""
        features = self._robot.features
        return msgspec.structs.replace(features, cameras=tuple(self._settings), image_px=self._image_px)

    def connect(self) -> None:
        """Opens the cameras, waits for a picture of each, and takes control; see ``Robot.connect``.

        Raises:
            UnavailableError: a camera is not there, or shows nothing.
        """
        for name, settings in self._settings.items():
            self._watches[name] = Watch(name, open_camera(settings))
            self._watches[name].start()
        for watch in self._watches.values():
            watch.newest()
        self._robot.connect()

    def arm(self) -> None:
        """See ``Robot.arm``."""
        self._robot.arm()

    def observe(self, images: bool = False) -> Reading:
        """The newest reading, and the newest picture of each camera; see ``Robot.observe``.

        Raises:
            UnavailableError: a camera is gone.
        """
        reading = self._robot.observe()
        if not images:
            return reading
        newest = {name: watch.newest() for name, watch in self._watches.items()}
        pictures = {name: squared(picture, self._image_px) for name, (picture, _) in newest.items()}
        age_s = max(age_s for _, age_s in newest.values())
        return Reading(reading.time_s, reading.mode, reading.values, pictures, age_s)

    def act(self, change_rad: np.ndarray, observed_s: float) -> Sent:
        """See ``Robot.act``."""
        return self._robot.act(change_rad, observed_s)

    def wait_until(self, time_s: float) -> float:
        """See ``Robot.wait_until``."""
        return self._robot.wait_until(time_s)

    def place(self, state: State) -> None:
        """See ``Robot.place``."""
        self._robot.place(state)

    def stop(self, reason: str) -> None:
        """See ``Robot.stop``."""
        self._robot.stop(reason)

    def disconnect(self) -> None:
        """Stops the robot first, then gives the cameras back; see ``Robot.disconnect``."""
        self._robot.disconnect()
        for watch in self._watches.values():
            watch.stop()
        self._watches.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disconnect()

"""Cameras that this machine reads itself: the one interface of their drivers, and the newest picture of each."""

from __future__ import annotations

import threading
import time
from typing import Protocol

import numpy as np
import torch
from torch.nn import functional

from dexctl.errors import DexctlError, UnavailableError
from dexctl.profile import schema

# A camera that shows nothing for so long after it was opened shows nothing at all.
_FIRST_S = 10.0


class Camera(Protocol):
    """What a driver is: it is opened when made, and used by one thread."""

    def grab(self) -> np.ndarray:
        """Waits for the next picture, (H, W, 3) uint8, RGB.

        Raises:
            UnavailableError: none comes any more.
        """
        ...

    def close(self) -> None:
        """Gives the camera back."""
        ...


def open_camera(settings: schema.RobotCamera) -> Camera:
    """Opens the camera that a robot's profile names.

    Raises:
        UnavailableError: its driver is not installed, or there is no such camera.
    """
    if settings.driver == "basler":
        from dexctl.robot.basler import Basler

        return Basler(settings.source)
    from dexctl.robot.video import Video

    return Video(settings.source)


class Watch(threading.Thread):
    """Keeps the newest picture of a camera, so that nobody waits for one."""

    def __init__(self, name: str, camera: Camera) -> None:
        """Args: camera: this thread's from now on; it closes it."""
        super().__init__(name=f"dexctl-camera-{name}", daemon=True)
        self._called, self._camera = name, camera
        # One value, so that picture and time always belong together.
        self._newest: tuple[np.ndarray, float] | None = None
        self._failure: BaseException | None = None
        self._first = threading.Event()
        self._over = False

    def run(self) -> None:
        """Grabs pictures until stopped."""
        try:
            while not self._over:
                self._newest = self._camera.grab(), time.monotonic()
                self._first.set()
        except BaseException as error:
            self._failure = error
        finally:
            self._camera.close()
            self._first.set()

    def newest(self) -> tuple[np.ndarray, float]:
        """The newest picture, (H, W, 3) uint8, and its age, s; waits for the first alone.

        Raises:
            UnavailableError: the camera is gone, or has never shown anything.
        """
        self._first.wait(_FIRST_S)
        if isinstance(self._failure, DexctlError):
            raise UnavailableError(f"camera {self._called}: {self._failure.args[0]}", self._failure.remedy)
        if self._failure is not None:
            raise self._failure
        if self._newest is None:
            raise UnavailableError(f"camera {self._called}: no picture in {_FIRST_S:g} s", "Look at the camera.")
        picture, taken_s = self._newest
        return picture, time.monotonic() - taken_s

    def stop(self) -> None:
        """Ends the thread, which closes the camera when its picture comes."""
        self._over = True
        if self.is_alive():
            self.join(timeout=2.0)


def squared(picture: np.ndarray, edge_px: int) -> np.ndarray:
    """The middle square of a picture (H, W, 3) uint8, at another size: (edge_px, edge_px, 3) uint8."""
    height, width = picture.shape[:2]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    middle = picture[top : top + edge, left : left + edge]
    if edge == edge_px:
        return np.ascontiguousarray(middle)
    rows = torch.from_numpy(np.ascontiguousarray(middle)).permute(2, 0, 1).unsqueeze(0)
    scaled = functional.interpolate(rows, size=(edge_px, edge_px), mode="bilinear", antialias=True)
    return np.ascontiguousarray(scaled[0].permute(1, 2, 0).numpy())

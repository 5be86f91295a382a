"""Basler's cameras, by pypylon."""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np

from dexctl.errors import UnavailableError

# Without a whole picture for so long, a camera is gone.
_PATIENCE_S = 1.0


class Basler:
    """One camera, as its own settings have it (see ``Camera``); pictures that were not fetched are dropped."""

    def __init__(self, source: str) -> None:
        """Opens it.

        Args:
            source: its serial number, or the name that its user gave it.

        Raises:
            UnavailableError: pypylon is not installed, there is no such camera, or somebody else has it.
        """
        try:
            # Its generated types are told off as they are made, which kills the interpreter where warnings are errors.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                from pypylon import genicam, pylon
        except ImportError as error:
            raise UnavailableError("pypylon is not installed", "pip install 'dexctl[basler]'") from error
        self._pylon: Any = pylon
        self._error: type[Exception] = genicam.GenericException
        self._source = source
        factory: Any = pylon.TlFactory.GetInstance()
        found = {(one.GetSerialNumber(), one.GetUserDefinedName()): one for one in factory.EnumerateDevices()}
        device = next((one for called, one in found.items() if source in called), None)
        if device is None:
            others = ", ".join(serial for serial, _ in found) or "none"
            raise UnavailableError(
                f"no Basler camera has the serial number or name '{source}'", f"Those that are there: {others}."
            )
        try:
            self._camera: Any = pylon.InstantCamera(factory.CreateDevice(device))
            self._camera.Open()
            self._camera.StartGrabbing(pylon.GrabStrategy_LatestImageOnly)
        except self._error as error:
            raise UnavailableError(
                f"Basler camera {source} cannot be opened: {error}", "Close what else uses it."
            ) from error
        self._converter: Any = pylon.ImageFormatConverter()
        self._converter.OutputPixelFormat = pylon.PixelType_RGB8packed

    def grab(self) -> np.ndarray:
        """Waits for the next whole picture; see ``Camera.grab``."""
        deadline_s = time.monotonic() + _PATIENCE_S
        try:
            while (left_s := deadline_s - time.monotonic()) > 0:
                result = self._camera.RetrieveResult(int(left_s * 1000) + 1, self._pylon.TimeoutHandling_Return)
                if not result.IsValid():
                    break
                try:
                    # A picture that was torn on its way is left out.
                    if result.GrabSucceeded():
                        return self._converter.Convert(result).GetArray().copy()
                finally:
                    result.Release()
        except self._error as error:
            raise UnavailableError(f"Basler camera {self._source} failed: {error}", "Look at its cable.") from error
        raise UnavailableError(
            f"Basler camera {self._source} gave no whole picture for {_PATIENCE_S:g} s", "Look at its cable."
        )

    def close(self) -> None:
        """Gives the camera back."""
        self._camera.Close()

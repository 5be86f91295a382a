"""Any camera or stream that OpenCV reads: V4L devices, RTSP and HTTP streams."""

from __future__ import annotations

from typing import Any

import numpy as np

from dexctl.errors import UnavailableError


class Video:
    """One camera or stream (see ``Camera``)."""

    def __init__(self, source: str) -> None:
        """Opens it.

        Args:
            source: number of a device, as 0 for /dev/video0; a path; or an address, as rtsp://HOST/PATH.

        Raises:
            UnavailableError: OpenCV is not installed, or nothing is there.
        """
        try:
            import cv2
        except ImportError as error:
            raise UnavailableError("OpenCV is not installed", "pip install 'dexctl[opencv]'") from error
        self._cv2: Any = cv2
        self._source = source
        # What is wrong is told once, by the error below.
        self._cv2.utils.logging.setLogLevel(self._cv2.utils.logging.LOG_LEVEL_SILENT)
        self._capture: Any = self._cv2.VideoCapture(int(source) if source.isdecimal() else source)
        if not self._capture.isOpened():
            raise UnavailableError(f"there is no camera or stream at '{source}'", "Look at its cable, or the address.")
        # A picture that waits in a queue is an old one.
        self._capture.set(self._cv2.CAP_PROP_BUFFERSIZE, 1)

    def grab(self) -> np.ndarray:
        """Waits for the next picture; see ``Camera.grab``."""
        whole, picture = self._capture.read()
        if not whole:
            raise UnavailableError(f"the stream of '{self._source}' ended", "Look at the camera.")
        return self._cv2.cvtColor(picture, self._cv2.COLOR_BGR2RGB)

    def close(self) -> None:
        """Gives the camera back."""
        self._capture.release()

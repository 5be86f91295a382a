"""Pictures as a film: H.264 in an MP4 file that appears whole or not at all."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import TracebackType

import imageio_ffmpeg
import numpy as np

from dexctl.errors import CreateError, InputOutputError, UsageError

# Constant quality: at 18 nobody sees the compression; larger numbers make smaller files.
_QUALITY = 20


class VideoWriter:
    """Writes pictures to a film as they come; a context manager.

    The film takes its name when the block is left in good order, and is thrown away otherwise.
    """

    def __init__(self, path: Path, frames_per_s: int) -> None:
        """Prepares to write; the first picture decides the size.

        Raises:
            UsageError: the name does not end in ``.mp4``.
            CreateError: nothing can be made there.
        """
        if path.suffix.lower() != ".mp4":
            raise UsageError(f"{path}: films are written as MP4", "End the name in .mp4.")
        self._path = path
        self._temporary = path.with_name(f".{path.stem}.{os.getpid()}.part.mp4")
        try:
            self._temporary.touch()
        except OSError as error:
            raise CreateError(f"{path}: {error.strerror}", "Give a place that can be written to.") from error
        self._frames_per_s = frames_per_s
        self._encoder: subprocess.Popen[bytes] | None = None

    def add(self, picture: np.ndarray) -> None:
        """Adds a picture (H, W, 3) uint8, RGB, H and W even, as large as the first.

        Raises:
            InputOutputError: the encoder stopped, as on a full disk.
        """
        if self._encoder is None:
            self._encoder = self._start(picture.shape[1], picture.shape[0])
        assert self._encoder.stdin is not None
        try:
            self._encoder.stdin.write(np.ascontiguousarray(picture).data)
        except BrokenPipeError as error:
            raise self._lost() from error

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None and self._encoder is not None:
                self._publish(self._encoder)
        finally:
            if self._encoder is not None:
                self._encoder.kill()
                self._encoder.communicate()
            self._temporary.unlink(missing_ok=True)

    def _start(self, width: int, height: int) -> subprocess.Popen[bytes]:
        assert width % 2 == height % 2 == 0, "H.264 halves its colours"
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error"]
        command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(self._frames_per_s)]
        command += ["-i", "-", "-an", "-vcodec", "libx264", "-pix_fmt", "yuv420p", "-crf", str(_QUALITY)]
        # The index in front lets a browser play while it loads.
        command += ["-movflags", "+faststart", str(self._temporary)]
        # In a session of its own: Ctrl-C is this program's to answer.
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
        )

    def _publish(self, encoder: subprocess.Popen[bytes]) -> None:
        complaint = self._finish(encoder)
        if encoder.returncode:
            raise self._lost(complaint)
        try:
            with open(self._temporary, "rb") as film:
                os.fsync(film.fileno())
            self._temporary.replace(self._path)
        except OSError as error:
            raise self._lost(error.strerror or str(error)) from error

    def _finish(self, encoder: subprocess.Popen[bytes]) -> str:
        """Ends the film; what the encoder had to complain about."""
        try:
            return encoder.communicate()[1].decode(errors="replace").strip()
        except BrokenPipeError:
            return ""

    def _lost(self, reason: str = "") -> InputOutputError:
        if not reason and self._encoder is not None and self._encoder.stderr is not None:
            reason = self._encoder.stderr.read().decode(errors="replace").strip()
        last = reason.splitlines()[-1] if reason else "the encoder stopped"
        return InputOutputError(f"{self._path}: {last}", "Free some space and run it again.")

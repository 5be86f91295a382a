"""MuJoCo's own viewer in a window on this machine's display."""

from __future__ import annotations

import warnings
from types import TracebackType

import glfw
import mujoco
import mujoco.viewer

from dexctl.errors import UnavailableError
from dexctl.scene.cameras import point_of_view
from dexctl.scene.stage import Stage

_REMEDY = "Use '--view web' and a browser; over ssh: ssh -L 8080:127.0.0.1:8080 HOST."


class NativeViewer:
    """A window that shows a stage; people turn it around with the mouse. A context manager."""

    def __init__(self, stage: Stage) -> None:
        """Opens the window.

        Raises:
            UnavailableError: there is no display, or it has no OpenGL.
        """
        # Asked beforehand: MuJoCo opens the window in a thread and waits forever when it fails there.
        _probe_display()
        self._data = stage.data
        self._window = mujoco.viewer.launch_passive(stage.model, stage.data, show_left_ui=False, show_right_ui=False)
        with self._window.lock():
            point_of_view(self._window.cam)

    def show(self, caption: str) -> bool:
        """Draws the stage as it stands, a caption in the corner; False when the window was closed."""
        if not self._window.is_running():
            return False
        self._window.set_texts((mujoco.mjtFontScale.mjFONTSCALE_150, mujoco.mjtGridPos.mjGRID_TOPLEFT, caption, ""))
        self._window.sync()
        return True

    def __enter__(self) -> NativeViewer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._window.close()


def _probe_display() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", glfw.GLFWError)
        if not glfw.init():
            raise UnavailableError("there is no display to open a window on", _REMEDY)
        try:
            glfw.window_hint(glfw.VISIBLE, False)
            window = glfw.create_window(64, 64, "dexctl", None, None)
            if not window:
                raise UnavailableError("this display has no OpenGL", _REMEDY)
            glfw.destroy_window(window)
        finally:
            glfw.terminate()

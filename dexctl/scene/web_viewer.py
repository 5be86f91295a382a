"""MuJoCo Studio's web viewer: the state streamed to a browser, which draws it.

Page, model and state go over one port of the loopback interface, so ``ssh -L`` brings the whole
viewer to another machine. There is no password: whoever can reach that port can watch.
"""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import queue
import sys
from types import TracebackType

import mujoco
from mujoco.studio import launch_thread, messages, plugin, viewer_protocol, web_viewer
from mujoco.studio.dear_imgui import dear_imgui
from mujoco.studio.endpoints import ViewerEndpoint

from dexctl.errors import CreateError
from dexctl.scene.cameras import point_of_view
from dexctl.scene.stage import Stage

_HOST = "127.0.0.1"
# Studio's renderer is physically based and shows the same lights darker.
_BRIGHTER = 2.0
_AMBIENT = 0.5


class WebViewer:
    """Serves a stage to browsers; people turn it around with the mouse. A context manager.

    Attributes:
        url: what to open in a browser.
    """

    def __init__(self, stage: Stage, port: int = 0) -> None:
        """Starts to serve.

        Args:
            port: 0 takes the first free one from 8080 on.

        Raises:
            CreateError: the port is in use.
        """
        _keep_log_off_stdout()
        model = copy.copy(stage.model)
        model.light_diffuse[:] *= _BRIGHTER
        model.vis.headlight.ambient[:] = _AMBIENT
        self._panel = _Panel()
        opened: queue.Queue[int | RuntimeError] = queue.Queue()

        def serve(endpoint: ViewerEndpoint) -> None:
            try:
                viewer = _LoopbackViewer(endpoint, model, self._panel, port)
            except RuntimeError as error:
                opened.put(error)
                return
            opened.put(viewer.port)
            viewer_protocol.run_viewer_loop(viewer)

        self._handle = launch_thread.launch_thread(serve)
        answer = opened.get()
        if isinstance(answer, RuntimeError):
            which = f"port {port} is" if port else "all ports from 8080 on are"
            raise CreateError(f"{_HOST}: {which} in use", "Take another port, or 0 for any.") from answer
        self.url = f"http://{_HOST}:{answer}/"
        # Set here and not published: the viewer has the model already, and would reload its page.
        self._handle.model, self._handle.data = stage.model, stage.data

    def show(self, caption: str) -> bool:
        """Sends the stage as it stands, and a caption; False when the viewer has ended."""
        if not self._handle.is_running():
            return False
        self._panel.text = caption
        self._handle.sync()
        return True

    def __enter__(self) -> WebViewer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.close()


class _Panel(plugin.ViewerPlugin):
    """A caption in the corner of the browser's picture."""

    text = ""

    @messages.handler
    def on_build_gui(self, event: messages.BuildGuiEvent) -> None:
        """Draws the caption; called by the viewer, in its own thread."""
        flags = dear_imgui.WindowFlags
        dear_imgui.SetNextWindowPos(dear_imgui.Vec2(16, 16))
        dear_imgui.Begin("dexctl", None, int(flags.NoDecoration) | int(flags.AlwaysAutoResize) | int(flags.NoMove))
        dear_imgui.Text(self.text)
        dear_imgui.End()


class _LoopbackViewer(web_viewer.WebViewer):
    """Studio's viewer, bound to the loopback interface: by itself it serves every network."""

    def __init__(self, endpoint: ViewerEndpoint, model: mujoco.MjModel, panel: _Panel, port: int) -> None:
        camera = mujoco.MjvCamera()
        point_of_view(camera)
        config = viewer_protocol.ViewerConfig(title="dexctl", gfx="web", http_port=port)
        # It greets on stdout, which is for data alone.
        with contextlib.redirect_stdout(io.StringIO()):
            super().__init__(config, endpoint, model=model, plugins=[panel], camera=camera)
        # Its server listens a little later, in a thread; who connects before then is kept waiting, not refused.
        self._http_sock.listen()
        self.port: int = self._http_port

    @property
    def _host(self) -> str:
        return _HOST

    @_host.setter
    def _host(self, value: str) -> None:
        """Takes no other address."""


def _keep_log_off_stdout() -> None:
    log = logging.getLogger("WebServer")
    log.setLevel(logging.WARNING)
    for handler in log.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)

"""Drawing without a window: a GL context for this process, or what is missing for one."""

from __future__ import annotations

import os
import sys
from typing import Any

import mujoco

from dexctl.errors import UnavailableError
from dexctl.scene import cures


def open_context(model: mujoco.MjModel, width: int, height: int) -> tuple[Any, mujoco.MjrContext, str]:
    """Makes a GL context, current in this thread, and MuJoCo's renderer in it.

    Args:
        width, height: of what is drawn off screen, px.

    Returns:
        The context, the renderer, and what draws, as the driver calls it.

    Raises:
        UnavailableError: this machine cannot draw.
    """
    try:
        # MuJoCo chooses by MUJOCO_GL when it is imported, and a window system when nothing is said.
        if sys.platform == "linux" and os.environ.get("MUJOCO_GL", "") in ("", "egl"):
            # PyOpenGL looks for its platform once, and for X by default.
            os.environ.setdefault("PYOPENGL_PLATFORM", "egl")
            from mujoco.egl import GLContext
        else:
            from mujoco import GLContext
        gl = GLContext(width, height)
        gl.make_current()
        context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_150.value)
        mujoco.mjr_resizeOffscreen(width, height, context)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, context)
        from OpenGL import GL

        device = GL.glGetString(GL.GL_RENDERER)
    # Loaders of GL libraries fail in many ways of their own, AttributeError among them.
    except Exception as error:
        raise UnavailableError(f"this machine cannot draw: {error}", cures.GL) from error
    return gl, context, device.decode() if isinstance(device, bytes) else "unknown"

"""Pictures of a simulation for people: MuJoCo's classic renderer without a window."""

from __future__ import annotations

import io
from types import TracebackType

import mujoco
import numpy as np
from PIL import Image

from dexctl.errors import UsageError
from dexctl.scene import names
from dexctl.scene.cameras import KEY_LIGHT, MIDDLE_M, WATCH
from dexctl.scene.gl import open_context

# The key light becomes a disc of this radius, so that shadows fade at their edges.
_LAMP_RADIUS_M = 0.2
_GOLDEN_SHARE = (np.sqrt(5.0) - 1.0) / 2.0
_GOLDEN_ANGLE_RAD = 2.0 * np.pi * (1.0 - _GOLDEN_SHARE)
_GEOMS = 1000


class Painter:
    """Paints one camera's view of a scene made with pictures; a context manager."""

    def __init__(
        self, model: mujoco.MjModel, width: int, height: int, camera: str = WATCH, shadow_samples: int = 1
    ) -> None:
        """Opens a renderer.

        Args:
            width, height: px.
            shadow_samples: places of the key light averaged into one picture: 1 is fast and has
                hard shadows, 24 make a portrait.

        Raises:
            UnavailableError: this machine cannot draw.
            UsageError: the scene has no such camera.
        """
        self._model = model
        self._size = (width, height)
        self._samples = shadow_samples
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = _camera_id(model, camera)
        self._key_light = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_LIGHT, KEY_LIGHT)
        self._target = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM, names.TARGET)
        self._options = mujoco.MjvOption()
        self._scene = mujoco.MjvScene(model, _GEOMS)
        self._gl, self._context, _ = open_context(model, width, height)

    def paint(self, data: mujoco.MjData) -> np.ndarray:
        """Paints the state; ``data`` must be up to date (``mj_forward``).

        Returns:
            (height, width, 3) uint8, RGB.
        """
        self._gl.make_current()
        mujoco.mjv_updateScene(
            self._model,
            data,
            self._options,
            None,
            self._camera,
            mujoco.mjtCatBit.mjCAT_ALL.value,
            self._scene,
        )
        self._spare_target_a_shadow()
        if self._samples == 1 or self._key_light < 0:
            return self._render()
        total = np.zeros((self._size[1], self._size[0], 3))
        for sample in range(self._samples):
            self._move_key_light(data, sample)
            self._move_pixels(sample)
            total += self._render()
        return (total / self._samples + 0.5).astype(np.uint8)

    def close(self) -> None:
        """Gives the renderer back."""
        self._gl.make_current()
        self._context.free()
        self._gl.free()

    def __enter__(self) -> Painter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _render(self) -> np.ndarray:
        width, height = self._size
        view = mujoco.MjrRect(0, 0, width, height)
        picture = np.empty((height, width, 3), np.uint8)
        mujoco.mjr_render(view, self._scene, self._context)
        mujoco.mjr_readPixels(picture, None, view, self._context)
        return picture[::-1]

    def _spare_target_a_shadow(self) -> None:
        # The goal is a sign, not a thing. MuJoCo casts no shadow of what it counts as decoration.
        for geom in self._scene.geoms[: self._scene.ngeom]:
            if geom.objtype == mujoco.mjtObj.mjOBJ_GEOM and geom.objid == self._target:
                geom.category = mujoco.mjtCatBit.mjCAT_DECOR

    def _move_key_light(self, data: mujoco.MjData, sample: int) -> None:
        """Puts the key light at one of the evenly spread points of its disc."""
        center = data.light_xpos[self._key_light]
        toward = np.subtract(MIDDLE_M, center)
        side = np.cross(toward, (0.0, 0.0, 1.0))
        side /= np.linalg.norm(side)
        up = np.cross(side, toward) / np.linalg.norm(toward)
        radius_m = _LAMP_RADIUS_M * np.sqrt((sample + 0.5) / self._samples)
        angle_rad = sample * _GOLDEN_ANGLE_RAD
        place = center + radius_m * (np.cos(angle_rad) * side + np.sin(angle_rad) * up)
        for light in self._scene.lights[: self._scene.nlight]:
            if light.castshadow:
                light.pos = place
                light.dir = np.subtract(MIDDLE_M, place) / np.linalg.norm(np.subtract(MIDDLE_M, place))

    def _move_pixels(self, sample: int) -> None:
        """Shifts the picture by part of a pixel, evenly spread, which smooths edges and letters."""
        shift = self._pixel_offset(sample) - self._pixel_offset(sample - 1)
        for eye in self._scene.camera:
            right, up = shift * (eye.frustum_top - eye.frustum_bottom) / self._size[1]
            eye.frustum_center += right
            eye.frustum_bottom += up
            eye.frustum_top += up

    def _pixel_offset(self, sample: int) -> np.ndarray:
        """Offset of a sample from the pixel's middle, (2,) in pixels; none before the first."""
        if sample < 0:
            return np.zeros(2)
        return np.array((sample / self._samples, sample * _GOLDEN_SHARE % 1.0)) - 0.5


def encode_png(picture: np.ndarray) -> bytes:
    """Encodes a picture (H, W, 3) uint8, RGB, as the content of a PNG file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="png", optimize=True)
    return file.getvalue()


def _camera_id(model: mujoco.MjModel, camera: str) -> int:
    found = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA, camera)
    if found < 0:
        known = ", ".join(model.camera(i).name for i in range(model.ncam))
        raise UsageError(f"no camera is called '{camera}'", f"There are {known}.")
    return found

"""MuJoCo's classic renderer, as fast as software GL goes: the one that the estimator learns from.

What it cost on llvmpipe at 64 px, one core, by ``tools/bench/render.py``: an infinite floor 2 ms a picture
(a finite one nothing), the hand's 39,000 triangles 7 ms (7,000 at a pixel's size 1.5 ms), a shadow twice the picture,
four-fold multisampling another 2.5 ms (a picture twice as large, averaged, 0.6 ms).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

import mujoco
import numpy as np

from dexctl.profile import schema
from dexctl.randomize.appearance import Look
from dexctl.scene.picture import open_context
from dexctl.vision.rendering.subject import Subject, build_subject
from dexctl.vision.rendering.surface import Tint, shift, to_hsv

_GEOMS = 200


class ClassicRenderer:
    """Draws with OpenGL; see ``Renderer``."""

    def __init__(self, profile: schema.Profile, size_px: int) -> None:
        """Opens a context.

        Raises:
            UnavailableError: this machine cannot draw.
        """
        self._subject = build_subject(profile, size_px)
        self._render = profile.render
        self._center_m = np.array(profile.object.spawn_m)
        self._size_px = size_px
        self._cameras = len(profile.cameras)
        self.object_qpos = self._subject.object_qpos
        self.look = Look(profile, len(self._subject.robot_materials))
        model = self._subject.model
        self._model, self._data = model, mujoco.MjData(model)
        self._options = mujoco.MjvOption()
        self._free_camera = mujoco.MjvCamera()
        self._scene = mujoco.MjvScene(model, _GEOMS)
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SKYBOX] = False
        self._scene.flags[mujoco.mjtRndFlag.mjRND_HAZE] = False
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        edge = size_px * profile.render.samples
        self._pixels = np.empty((edge, self._cameras * edge, 3), np.uint8)
        self._views = [mujoco.MjrRect(edge * camera, 0, edge, edge) for camera in range(self._cameras)]
        self._whole = mujoco.MjrRect(0, 0, self._cameras * edge, edge)
        self._paint = ObjectPaint(model, self._subject)
        self._gl, self._context, self.device = open_context(model, self._cameras * edge, edge)

    def draw(self, qpos: np.ndarray, appearance: Mapping[str, np.ndarray]) -> np.ndarray:
        """Draws n states; see ``Renderer``."""
        size = self._size_px
        pictures = np.empty((len(qpos), self._cameras, size, size, 3), np.uint8)
        self._gl.make_current()
        for row in range(len(qpos)):
            look = {name: values[row] for name, values in appearance.items()}
            self._pose(qpos[row])
            self._dress(look)
            mujoco.mjv_updateScene(
                self._model,
                self._data,
                self._options,
                None,
                self._free_camera,
                mujoco.mjtCatBit.mjCAT_ALL.value,
                self._scene,
            )
            self._light(look)
            for camera, view in enumerate(self._views):
                self._aim(look, camera)
                mujoco.mjr_render(view, self._scene, self._context)
            mujoco.mjr_readPixels(self._pixels, None, self._whole, self._context)
            pictures[row] = self._averaged()
        return pictures

    def close(self) -> None:
        """Gives the context back."""
        self._gl.make_current()
        self._context.free()
        self._gl.free()

    def __enter__(self) -> ClassicRenderer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _pose(self, qpos: np.ndarray) -> None:
        self._data.qpos[:] = qpos
        mujoco.mj_kinematics(self._model, self._data)

    def _dress(self, look: Mapping[str, np.ndarray]) -> None:
        """Materials into the model, from where the scene takes them."""
        subject, model = self._subject, self._model
        subject.paint(look)
        hand = subject.robot_materials
        model.mat_specular[hand] = specular(look["robot_metallic"], look["robot_glossiness"])
        model.mat_shininess[hand] = look["robot_glossiness"]
        model.mat_specular[subject.object_materials] = specular(look["object_metallic"], look["object_glossiness"])
        model.mat_shininess[subject.object_materials] = look["object_glossiness"]
        if self._paint.shift(look):
            mujoco.mjr_uploadTexture(model, self._context, subject.object_texture)

    def _light(self, look: Mapping[str, np.ndarray]) -> None:
        exposure = self._render.exposure
        intensity = look["light_intensity"] * exposure
        strongest = int(np.argmax(intensity))
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = bool(look["shadow"])
        self._scene.nlight = int(np.count_nonzero(intensity))
        for index, light in enumerate(self._scene.lights[: self._scene.nlight]):
            place = look["light_position_m"][index]
            light.pos = self._center_m
            light.dir = (self._center_m - place) / np.linalg.norm(self._center_m - place)
            light.ambient = look["ambient"] * exposure if index == 0 else 0.0
            light.diffuse = light.specular = intensity[index]
            light.castshadow = index == strongest

    def _aim(self, look: Mapping[str, np.ndarray], camera: int) -> None:
        turn = np.empty(9)
        mujoco.mju_quat2Mat(turn, look["camera_quaternion_wxyz"][camera].astype(np.float64))
        near = self._model.vis.map.znear
        top = near * np.tan(np.radians(look["camera_fov_deg"][camera]) / 2.0)
        for eye in self._scene.camera:
            eye.pos = look["camera_position_m"][camera]
            eye.forward, eye.up = -turn[2::3], turn[1::3]
            eye.frustum_center = 0.0
            eye.frustum_bottom, eye.frustum_top = -top, top
            eye.frustum_near, eye.frustum_far = near, self._model.vis.map.zfar

    def _averaged(self) -> np.ndarray:
        """The picture of each camera from what was drawn: (C, size, size, 3)."""
        return average(self._pixels[::-1], self._render.samples, self._cameras)


def average(pixels: np.ndarray, samples: int, cameras: int) -> np.ndarray:
    """The mean of each square of samples, of pictures side by side.

    Args:
        pixels: (size * samples, cameras * size * samples, 3) uint8.

    Returns:
        (cameras, size, size, 3) uint8.
    """
    size = len(pixels) // samples
    if samples > 1:
        # Rows, then columns: several times as fast as one mean over both.
        rows = pixels[::samples].astype(np.uint16)
        for row in range(1, samples):
            rows += pixels[row::samples]
        total = rows[:, ::samples].copy()
        for column in range(1, samples):
            total += rows[:, column::samples]
        total += samples * samples // 2
        pixels = (total // (samples * samples)).astype(np.uint8)
    return pixels.reshape(size, cameras, size, 3).swapaxes(0, 1)


def specular(metallic: np.ndarray, glossiness: np.ndarray) -> np.ndarray:
    """What this renderer knows instead of metal and gloss: how bright reflections of lights are."""
    return np.minimum(metallic + 0.5 * glossiness, 1.0)


class ObjectPaint:
    """The object's colours in a model.

    Attributes:
        pixels: of its texture, (P, 3) uint8; None without one.
    """

    def __init__(self, model: mujoco.MjModel, subject: Subject) -> None:
        self._model, self._materials = model, subject.object_materials
        self._colors_hsv = to_hsv(model.mat_rgba[self._materials, :3].astype(np.float64))
        self.pixels: np.ndarray | None = None
        texture = subject.object_texture
        if texture >= 0:
            start = model.tex_adr[texture]
            length = model.tex_height[texture] * model.tex_width[texture] * model.tex_nchannel[texture]
            pixels = model.tex_data[start : start + length].reshape(-1, 3)
            self.pixels, self._tint = pixels, Tint(pixels)

    def shift(self, look: Mapping[str, np.ndarray]) -> bool:
        """Adds to the calibrated colours; whether the texture changed."""
        by = float(look["object_hue"]), float(look["object_saturation"]), float(look["object_value"])
        if self.pixels is not None:
            self.pixels[:] = self._tint.shifted(*by)
            return True
        self._model.mat_rgba[self._materials, :3] = shift(self._colors_hsv, *by)
        return False

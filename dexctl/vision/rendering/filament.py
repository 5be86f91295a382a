"""MuJoCo's Filament renderer, physically based, on Vulkan: what the estimator is tested on and never learns from.

Lights are spots that cast soft shadows and grow weaker with distance, materials have metal and gloss, and
colours pass a film-like curve: none of which the classic renderer has.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

import mujoco
import numpy as np
from mujoco import mjrf

from dexctl.profile import schema
from dexctl.randomize.appearance import Look
from dexctl.vision.rendering import vulkan
from dexctl.vision.rendering.classic import ObjectPaint, average, specular
from dexctl.vision.rendering.subject import Subject, build_subject

# Candela that light a white surface a metre away as one unit of ``light_total`` does in the classic renderer.
_CANDELA = 80_000.0
_HEADLIGHT_CANDELA = 15_000.0
_CONE_DEG = 60.0
_RANGE_M = 5.0
_BULB_M = 0.05
_NEAR_M, _FAR_M = 0.05, 10.0


class FilamentRenderer:
    """Draws with Filament; see ``Renderer``."""

    def __init__(self, profile: schema.Profile, size_px: int) -> None:
        """Opens a context.

        Raises:
            UnavailableError: this machine has no Vulkan.
        """
        # Filament ends the whole process where there is none, so another one tries first.
        self.device = vulkan.probe()
        self._subject = build_subject(profile, size_px)
        model = self._subject.model
        self._model, self._data = model, mujoco.MjData(model)
        self._exposure = profile.render.exposure
        self._center_m = np.array(profile.object.spawn_m, dtype=np.float32)
        self._samples, self._cameras = profile.render.samples, len(profile.cameras)
        self.object_qpos = self._subject.object_qpos
        self.look = Look(profile, len(self._subject.robot_materials))
        self._paint = ObjectPaint(model, self._subject)
        edge = size_px * self._samples
        self._pixels = np.zeros((edge, self._cameras * edge, 3), np.uint8)
        # Last, for what comes first is freed last: parts of a context must go before it.
        self._context = vulkan.open_context()
        self._stage = _Stage(self._context, self._subject, self.look.lights, profile.render.shadow_px)
        self._target = _target(self._context, self._pixels)
        self._requests = _requests(self._stage.scene, self._target, len(self._pixels), self._cameras)
        self._read = mjrf.ReadRequest(target=self._target)
        self._read.set_buffer(self._pixels)

    def draw(self, qpos: np.ndarray, appearance: Mapping[str, np.ndarray]) -> np.ndarray:
        """Draws n states; see ``Renderer``."""
        size = len(self._pixels) // self._samples
        pictures = np.empty((len(qpos), self._cameras, size, size, 3), np.uint8)
        for row in range(len(qpos)):
            look = {name: values[row] for name, values in appearance.items()}
            self._data.qpos[:] = qpos[row]
            mujoco.mj_kinematics(self._model, self._data)
            painted = self._paint.shift(look)
            self._dress(look)
            self._stage.update(self._data, self._paint.pixels if painted else None)
            self._stage.light(look, self._center_m, self._exposure)
            for camera, request in enumerate(self._requests):
                request.camera = _camera(look, camera)
                request.shadows = bool(look["shadow"])
                request.headlight_intensity = float(look["ambient"]) * self._exposure * _HEADLIGHT_CANDELA
            self._context.wait_for_frame(self._context.render(self._requests, [self._read]))
            pictures[row] = average(self._pixels, self._samples, self._cameras)
        return pictures

    def _dress(self, look: Mapping[str, np.ndarray]) -> None:
        subject, model = self._subject, self._model
        subject.paint(look)
        hand, objects = subject.robot_materials, subject.object_materials
        # Metal and roughness switch to a material that has no textures around a body: where there is one, its
        # gloss stands for both.
        plain = look["robot_pattern"] < 0
        model.mat_metallic[hand] = np.where(plain, look["robot_metallic"], -1.0)
        model.mat_roughness[hand] = np.where(plain, 1.0 - look["robot_glossiness"], -1.0)
        model.mat_specular[hand] = specular(look["robot_metallic"], look["robot_glossiness"])
        model.mat_shininess[hand] = look["robot_glossiness"]
        model.mat_specular[objects] = specular(look["object_metallic"], look["object_glossiness"])
        model.mat_shininess[objects] = look["object_glossiness"]

    def close(self) -> None:
        """Gives the context back, its parts first: in another order Filament ends the process."""
        del self._requests, self._read, self._target
        self._stage.close()
        del self._stage, self._context

    def __enter__(self) -> FilamentRenderer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Stage:
    """What stands in a Filament scene: the model's geoms and lights of its own."""

    def __init__(self, context: mjrf.Context, subject: Subject, lights: int, shadow_px: int) -> None:
        model = subject.model
        self._subject = subject
        resources = mjrf.ModelResources(context, model)
        self.scene = context.create_scene(mjrf.SceneParams())
        self.scene.configure_from_model(model)
        self._geoms = mjrf.ModelRenderables(self.scene, resources)
        self._geoms.update(mujoco.MjData(model))
        self._object = self._geoms.get_renderable(mujoco.mjtObj.mjOBJ_GEOM, int(subject.object_geoms[0]))
        self._lights = [self._add_light(context, shadow_px) for _ in range(lights)]

    def update(self, data: mujoco.MjData, object_pixels: np.ndarray | None) -> None:
        """Puts every geom where the state has it, in the materials that the model has by now."""
        self._geoms.update(data)
        if object_pixels is not None:
            texture = mjrf.TextureData()
            texture.set_image(object_pixels.tobytes())
            self._object.get_material().color_texture.upload(texture)

    def light(self, look: Mapping[str, np.ndarray], center_m: np.ndarray, exposure: float) -> None:
        """Puts up the lights; all of them cast shadows where any does."""
        for index, light in enumerate(self._lights):
            intensity = float(look["light_intensity"][index])
            light.set_active(intensity > 0)
            light.set_cast_shadow(bool(look["shadow"]))
            light.set_intensity(intensity * exposure * _CANDELA)
            place = look["light_position_m"][index]
            toward = center_m - place
            light.set_pose(place, (toward / np.linalg.norm(toward)).astype(np.float32))

    def close(self) -> None:
        """Gives everything back."""
        del self._lights, self._object, self._geoms, self.scene

    def _add_light(self, context: mjrf.Context, shadow_px: int) -> mjrf.Light:
        settings = mjrf.LightParams()
        settings.type = mjrf.LightType.LIGHT_SPOT
        settings.color = np.ones(3, np.float32)
        settings.range, settings.cutoff, settings.bulb_radius = _RANGE_M, _CONE_DEG, _BULB_M
        settings.shadow_map_size = shadow_px
        light = context.create_light(settings)
        self.scene.add_light(light)
        return light


def _target(context: mjrf.Context, pixels: np.ndarray) -> mjrf.RenderTarget:
    height, width = pixels.shape[:2]
    target = context.create_render_target(
        mjrf.RenderTargetConfig(width=width, height=height, color_format=mjrf.PixelFormat.PIXEL_FORMAT_RGB8)
    )
    target.resize(width, height)
    return target


def _requests(scene: mjrf.Scene, target: mjrf.RenderTarget, edge: int, cameras: int) -> list[mjrf.RenderRequest]:
    """All views side by side in one target: Filament reads one target back at a time."""
    requests = []
    for camera in range(cameras):
        request = mjrf.RenderRequest()
        # A request does not keep these two alive: its owner does.
        request.scene, request.target = scene, target
        request.viewport = mjrf.Rect(left=camera * edge, bottom=0, width=edge, height=edge)
        request.headlight, request.headlight_color = True, (1.0, 1.0, 1.0)
        request.reflections = request.haze = request.skybox = False
        requests.append(request)
    return requests


def _camera(look: Mapping[str, np.ndarray], camera: int) -> mjrf.Camera:
    turn = np.empty(9)
    mujoco.mju_quat2Mat(turn, look["camera_quaternion_wxyz"][camera].astype(np.float64))
    top = float(_NEAR_M * np.tan(np.radians(look["camera_fov_deg"][camera]) / 2.0))
    return mjrf.Camera(
        pos=look["camera_position_m"][camera],
        forward=(-turn[2::3]).astype(np.float32),
        up=turn[1::3].astype(np.float32),
        frustum_bottom=-top,
        frustum_top=top,
        frustum_near=_NEAR_M,
        frustum_far=_FAR_M,
    )

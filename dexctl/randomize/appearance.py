"""How pictures look, drawn anew for each (Table 9): cameras, colours, materials, lights, what lies behind."""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np
import torch

from dexctl import randomness, rotation
from dexctl.profile import schema
from dexctl.profile.distribution import Value
from dexctl.randomize.draw import UNIT, Draws
from dexctl.store.rows import Column

_AXIS = randomness.stream("appearance.axis")

# What a scene looks like that is not randomized: a dark hand under four lights before a bright wall.
PLAIN_COLOR = 0.25
PLAIN_BACKGROUND = 0.8
_PLAIN_LIGHTS = 4
_PLAIN_TOTAL, _PLAIN_AMBIENT = 6.0, 3.0
_PLAIN_METALLIC, _PLAIN_GLOSSINESS = 0.1, 0.3

# Patterns that a surface can have; -1 is none.
NUM_PATTERNS = 16
NO_PATTERN = -1


@dataclasses.dataclass(frozen=True)
class Look:
    """Draws the appearance of pictures of one scene.

    Attributes:
        profile: its cameras, object and ``randomize.appearance``.
        materials: how many the hand has.
    """

    profile: schema.Profile
    materials: int

    @property
    def lights(self) -> int:
        """The most lights that a picture has."""
        return self.profile.randomize.appearance.num_lights[1]

    def columns(self) -> dict[str, Column]:
        """Every drawn parameter's type and shape for one state, by name.

        Colours are RGB in [0, 1], hue in turns; a light that is off has intensity 0.
        """
        cameras, lights = len(self.profile.cameras), self.lights
        return {
            "camera_position_m": Column("float32", (cameras, 3), "finite"),
            "camera_quaternion_wxyz": Column("float32", (cameras, 4), "unit"),
            "camera_fov_deg": Column("float32", (cameras,), "finite"),
            "robot_color": Column("float32", (self.materials, 3), "finite"),
            "robot_metallic": Column("float32", (self.materials,), "finite"),
            "robot_glossiness": Column("float32", (self.materials,), "finite"),
            "robot_pattern": Column("int8", (self.materials,)),
            "object_hue": Column("float32", (), "finite"),
            "object_saturation": Column("float32", (), "finite"),
            "object_value": Column("float32", (), "finite"),
            "object_metallic": Column("float32", (), "finite"),
            "object_glossiness": Column("float32", (), "finite"),
            "light_position_m": Column("float32", (lights, 3), "finite"),
            "light_intensity": Column("float32", (lights,), "finite"),
            "ambient": Column("float32", (), "finite"),
            "shadow": Column("uint8", ()),
            "background_color": Column("float32", (3,), "finite"),
            "background_pattern": Column("int8", ()),
        }

    def draw(self, key: torch.Tensor) -> dict[str, np.ndarray]:
        """Draws the appearance of n states.

        Args:
            key: (n,) int64; each state's appearance is a function of its key alone.

        Returns:
            Arrays (n, ...) as in ``columns``.
        """
        drawn = self.numbers(key)
        count, columns = len(key), self.columns()
        given = drawn | self._cameras(key, drawn) | self._materials(drawn) | self._lights(drawn)
        return {
            name: np.ascontiguousarray(given[name].reshape(count, *column.shape)).astype(column.dtype)
            for name, column in columns.items()
        }

    def numbers(self, key: torch.Tensor) -> dict[str, np.ndarray]:
        """What appearances are made from: by what the profile calls it, (n, ...) float64, for keys (n,)."""
        return {name: values.numpy() for name, values in self._draws(key).items()}

    @functools.cached_property
    def _draws(self) -> Draws:
        look = self.profile.randomize.appearance
        cameras, lights, materials = len(self.profile.cameras), self.lights, self.materials
        values: dict[str, tuple[Value, int]] = {
            "camera_position_m": (look.camera_position_m, cameras * 3),
            "camera_rotation_deg": (look.camera_rotation_deg, cameras),
            "camera_fov_deg": (look.camera_fov_deg, cameras),
            "robot_color": (look.robot_color, materials * 3),
            "robot_metallic": (look.robot_metallic, materials),
            "robot_glossiness": (look.robot_glossiness, materials),
            "robot_patterned": (UNIT, materials),
            "robot_pattern": (UNIT, materials),
            "object_hue": (look.object_hue, 1),
            "object_saturation": (look.object_saturation, 1),
            "object_value": (look.object_value, 1),
            "object_metallic": (look.object_metallic, 1),
            "object_glossiness": (look.object_glossiness, 1),
            "num_lights": (UNIT, 1),
            "light_height": (UNIT, lights),
            "light_azimuth": (UNIT, lights),
            "light_distance_m": (look.light_distance_m, lights),
            "light_share": (look.light_share, lights),
            "light_total": (look.light_total, 1),
            "ambient": (look.ambient, 1),
            "shadow": (UNIT, 1),
            "background": (look.background, 3),
            "background_patterned": (UNIT, 1),
            "background_pattern": (UNIT, 1),
        }
        return Draws("appearance", **values)

    def _cameras(self, key: torch.Tensor, drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        count, cameras = len(key), list(self.profile.cameras.values())
        position = np.array([camera.position_m for camera in cameras])
        orientation = rotation.normalize(torch.tensor([camera.quaternion_wxyz for camera in cameras]).double())
        fov = np.array([camera.vertical_fov_deg for camera in cameras])
        if not self.profile.randomize.appearance.on:
            turned = orientation.expand(count, -1, -1)
            return {
                "camera_position_m": np.broadcast_to(position, (count, len(cameras), 3)),
                "camera_quaternion_wxyz": turned.numpy(),
                "camera_fov_deg": np.broadcast_to(fov, (count, len(cameras))),
            }
        axis = randomness.normal(randomness.derive(key, _AXIS), len(cameras) * 3).reshape(count, -1, 3)
        axis /= torch.linalg.vector_norm(axis, dim=-1, keepdim=True)
        angle = torch.from_numpy(np.radians(drawn["camera_rotation_deg"]))
        turned = rotation.multiply(rotation.from_rotation_vector(axis * angle[..., None]), orientation)
        return {
            "camera_position_m": position + drawn["camera_position_m"].reshape(count, -1, 3),
            "camera_quaternion_wxyz": turned.numpy(),
            "camera_fov_deg": fov + drawn["camera_fov_deg"],
        }

    def _materials(self, drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        look, one = self.profile.randomize.appearance, np.ones_like(drawn["object_hue"])
        if not look.on:
            each = np.ones_like(drawn["robot_metallic"])
            return {
                "robot_color": np.full_like(drawn["robot_color"], PLAIN_COLOR),
                "robot_metallic": each * _PLAIN_METALLIC,
                "robot_glossiness": each * _PLAIN_GLOSSINESS,
                "robot_pattern": each * NO_PATTERN,
                "object_hue": 0.0 * one,
                "object_saturation": 0.0 * one,
                "object_value": 0.0 * one,
                "object_metallic": one * _PLAIN_METALLIC,
                "object_glossiness": one * _PLAIN_METALLIC,
                "background_color": np.full_like(drawn["background"], PLAIN_BACKGROUND),
                "background_pattern": one * NO_PATTERN,
            }
        return {
            "robot_pattern": _pattern(drawn["robot_patterned"], drawn["robot_pattern"], look.texture),
            "background_color": drawn["background"],
            "background_pattern": _pattern(drawn["background_patterned"], drawn["background_pattern"], look.texture),
        }

    def _lights(self, drawn: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        look, center = self.profile.randomize.appearance, np.array(self.profile.object.spawn_m)
        least, most = look.num_lights
        if look.on:
            number = least + np.floor(drawn["num_lights"] * (most - least + 1))
            height, azimuth = drawn["light_height"], 2.0 * math.pi * drawn["light_azimuth"]
            distance, share, total = drawn["light_distance_m"], drawn["light_share"], drawn["light_total"]
            ambient, shadow = drawn["ambient"], drawn["shadow"] < look.shadow
        else:
            each, one = np.ones_like(drawn["light_height"]), np.ones_like(drawn["ambient"])
            number = min(_PLAIN_LIGHTS, most) * one
            azimuth = 2.0 * math.pi * np.cumsum(each, axis=1) / _PLAIN_LIGHTS
            height, distance, share, total = 0.7 * each, each, each, _PLAIN_TOTAL * one
            ambient, shadow = _PLAIN_AMBIENT * one, 0.0 * one
        # A point on the upper half-sphere is uniform when its height is.
        across = np.sqrt(1.0 - height**2)
        toward = np.stack((across * np.cos(azimuth), across * np.sin(azimuth), height), axis=-1)
        weight = np.where(np.arange(most) < number, share, 0.0)
        return {
            "light_position_m": center + distance[..., None] * toward,
            "light_intensity": total * weight / weight.sum(axis=1, keepdims=True),
            "ambient": ambient,
            "shadow": shadow,
        }


def _pattern(patterned: np.ndarray, which: np.ndarray, share: float) -> np.ndarray:
    return np.where(patterned < share, np.floor(which * NUM_PATTERNS), NO_PATTERN)

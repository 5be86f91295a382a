"""What the randomization of pictures really drew, read from what they are painted and learned from with.

Row i is the look and the pose of row i that ``dexctl render`` makes with the same seed.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np
import torch
from torch import Tensor

from dexctl import rotation
from dexctl.profile import schema
from dexctl.profile.distribution import Value
from dexctl.randomize.appearance import NO_PATTERN, Look
from dexctl.randomize.sampled import Sampled
from dexctl.vision import batch
from dexctl.vision.rendering.augmentation import Augmentation, augment
from dexctl.vision.rendering.drawing import look_keys, pose_keys
from dexctl.vision.rendering.subject import build_subject

# n pictures.

# Edge of pictures that are never looked at, and of those that show contrast and noise.
_SUBJECT_PX, _NOISY_PX = 32, 4


def draw_picture_samples(profile: schema.Profile, count: int, seed: int = 0) -> list[Sampled]:
    """Draws looks and poses and reads everything that is randomized in them.

    Args:
        count: of pictures.

    Returns:
        Each quantity of ``randomize.appearance`` and ``randomize.pose`` that is on; empty when both are off.
    """
    found: list[Sampled] = []
    rows = torch.arange(count)
    if profile.randomize.appearance.on:
        look = Look(profile, len(build_subject(profile, _SUBJECT_PX).robot_materials))
        found += _look(profile, look, look_keys(seed, rows))
        if profile.vision is not None:
            found += _learned(profile, count, seed)
    if profile.randomize.pose.on:
        found += _pose(profile.randomize.pose, pose_keys(seed, rows))
    return found


def _look(profile: schema.Profile, look: Look, key: Tensor) -> Iterator[Sampled]:
    settings = profile.randomize.appearance
    given, drawn = look.numbers(key), look.draw(key)
    cameras = list(profile.cameras.values())

    def seen(key: str, each: str, numbers: np.ndarray, unit: str = "", chance: bool = False) -> Sampled:
        columns = torch.from_numpy(np.asarray(numbers, np.float64)).reshape(len(numbers), -1)
        return Sampled(f"randomize.appearance.{key}", "picture", each, unit, getattr(settings, key), columns, chance)

    moved = drawn["camera_position_m"] - np.array([camera.position_m for camera in cameras])
    yield seen("camera_position_m", "camera and coordinate", moved, "m")
    straight = rotation.normalize(torch.tensor([camera.quaternion_wxyz for camera in cameras], dtype=torch.float64))
    turn = rotation.difference(torch.from_numpy(drawn["camera_quaternion_wxyz"]).double(), straight)
    yield seen("camera_rotation_deg", "camera", np.degrees(rotation.angle(turn).numpy()), "deg")
    wider = drawn["camera_fov_deg"] - np.array([camera.vertical_fov_deg for camera in cameras])
    yield seen("camera_fov_deg", "camera", wider, "deg")
    yield seen("robot_color", "material and channel", drawn["robot_color"])
    for name in ("robot_metallic", "robot_glossiness"):
        yield seen(name, "material", drawn[name])
    for name in ("hue", "saturation", "value", "metallic", "glossiness"):
        yield seen(f"object_{name}", "", drawn[f"object_{name}"])
    lit = drawn["light_intensity"] > 0
    yield seen("num_lights", "", lit.sum(axis=1))
    distance = np.linalg.norm(drawn["light_position_m"] - np.array(profile.object.spawn_m), axis=-1)
    yield seen("light_distance_m", "light", distance[lit], "m")
    # Only their ratios come out in the light.
    yield seen("light_share", "light", given["light_share"][lit])
    yield seen("light_total", "", drawn["light_intensity"].sum(axis=1))
    yield seen("ambient", "", drawn["ambient"])
    yield seen("shadow", "", drawn["shadow"], chance=True)
    yield seen("background", "channel", drawn["background_color"])
    patterns = np.column_stack((drawn["robot_pattern"], drawn["background_pattern"]))
    yield seen("texture", "material, and background", patterns != NO_PATTERN, chance=True)


def _learned(profile: schema.Profile, count: int, seed: int) -> Iterator[Sampled]:
    """Contrast and noise of one batch, of pictures that are half black and half white: -1 and 1 when normalized."""
    settings = profile.randomize.appearance
    pictures = torch.zeros(count, len(profile.cameras), _NOISY_PX, _NOISY_PX, 3, dtype=torch.uint8)
    pictures[:, :, _NOISY_PX // 2 :] = 255
    plain = batch.normalize(pictures, "picture")

    def learned(**one: Value) -> Tensor:
        """What comes of the pictures with these settings, without shifts."""
        assert profile.vision is not None
        appearance = msgspec.structs.replace(settings, **one)
        still = msgspec.structs.replace(profile.vision.training, shift_px=0, normalize="picture")
        changed = msgspec.structs.replace(
            profile,
            randomize=msgspec.structs.replace(profile.randomize, appearance=appearance),
            vision=msgspec.structs.replace(profile.vision, training=still),
        )
        return batch.Augmentation(changed, seed)(pictures)[0]

    contrast = (learned(pixel_noise=0.0) / plain)[:, :, 0, 0, 0]
    noise = learned(contrast=1.0) - plain
    for key, each, drawn in (("contrast", "camera", contrast), ("pixel_noise", "pixel and channel", noise)):
        name, numbers = f"randomize.appearance.{key}", drawn.flatten(1).double()
        yield Sampled(name, "picture", each, "", getattr(settings, key), numbers)


def _pose(settings: schema.RandomizePose, key: Tensor) -> Iterator[Sampled]:
    nowhere = torch.zeros(len(key), 3, dtype=torch.float64)
    upright = torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64).repeat(len(key), 1)
    position, orientation, done = augment(settings, key, nowhere, upright)
    jittered = done == Augmentation.JITTERED
    happened = {"turned": done == Augmentation.TURNED, "jittered": jittered}
    for name, chances in happened.items():
        numbers = chances[:, None].double()
        yield Sampled(f"randomize.pose.{name}", "picture", "", "", getattr(settings, name), numbers, chance=True)
    added = {
        "jitter_m": (position[jittered], "m"),
        "jitter_rad": (rotation.to_rotation_vector(orientation[jittered]), "rad"),
    }
    for name, (numbers, unit) in added.items():
        yield Sampled(f"randomize.pose.{name}", "picture", "coordinate", unit, getattr(settings, name), numbers)

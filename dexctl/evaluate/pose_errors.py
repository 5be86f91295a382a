"""How far estimated poses are from true ones, as the paper's Table 6 tells it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from dexctl import rotation
from dexctl.errors import DataError, ProtocolError
from dexctl.profile.schema import Profile
from dexctl.store.images import LEARNED_FROM, Images, ImagesMetadata
from dexctl.vision.estimator import Estimator

_DEGREES = 180.0 / np.pi
_MILLIMETRES = 1000.0
_SAME_PROFILE = "Render with the profile that the network has."
# Rows that are read and estimated together.
_PORTION = 256


@dataclasses.dataclass(frozen=True)
class PoseErrors:
    """Estimates of the rows of one dataset.

    Attributes:
        name: of the dataset; renderer: that drew it.
        position_m, quaternion_wxyz: (N, 3) and (N, 4) as estimated.
        rotation_deg, position_mm: (N,) errors: the angle of the relative rotation, and the distance.
    """

    name: str
    renderer: str
    position_m: np.ndarray
    quaternion_wxyz: np.ndarray
    rotation_deg: np.ndarray
    position_mm: np.ndarray

    def document(self) -> dict[str, Any]:
        """Mean, sample standard deviation, median and 95th percentile of both."""
        return {
            "images": self.name,
            "renderer": self.renderer,
            "states": len(self.rotation_deg),
            "rotation_deg": _summary(self.rotation_deg),
            "position_mm": _summary(self.position_mm),
        }


def open_images(path: Path, profile: Profile) -> Images:
    """Opens a dataset and checks that its pictures are those that a profile's network is made for.

    Raises:
        MissingError, DataError: there is none, it is damaged, empty, or its pictures have another size.
        ProtocolError: they were taken by other cameras.
    """
    images = Images(path)
    check_images(images, profile)
    if not len(images):
        raise DataError(f"{path}: no row is whole yet", "Render some pictures into it.")
    return images


def check_images(images: Images, profile: Profile) -> None:
    """Checks that pictures are those that a profile's network is made for; see ``check_pictures``."""
    check_pictures(images.metadata, str(images.path), profile)


def check_pictures(about: ImagesMetadata, where: str, profile: Profile) -> None:
    """Checks that pictures are those that a profile's network is made for.

    Args:
        where: they come from, for people.

    Raises:
        DataError: their size is another; names dataset and array.
        ProtocolError: they were taken by other cameras.
    """
    assert profile.vision is not None
    edge_px = profile.vision.image_px
    if (about.height_px, about.width_px) != (edge_px, edge_px):
        raise DataError(
            f"{where}: array images: pictures of {about.width_px} x {about.height_px} px, the network sees "
            f"{edge_px} x {edge_px}",
            _SAME_PROFILE,
        )
    if about.cameras != list(profile.cameras):
        raise ProtocolError(
            f"{where}: cameras {', '.join(about.cameras)}, the network has {', '.join(profile.cameras)}",
            _SAME_PROFILE,
        )
    there, here = about.profile.get("cameras"), json.loads(msgspec.json.encode(profile.cameras))
    for name, camera in here.items():
        if not isinstance(there, dict) or camera != json.loads(json.dumps(there.get(name))):
            raise ProtocolError(f"{where}: camera {name} stands or looks elsewhere", _SAME_PROFILE)


def measure(
    estimator: Estimator, images: Images, rows: int | None = None, stop: Callable[[], bool] = lambda: False
) -> PoseErrors:
    """Estimates every row of a dataset, or the first so many.

    Args:
        stop: asked between portions; when true, the rows estimated so far count.

    Raises:
        DataError: a row cannot be read.
    """
    count = min(len(images), rows or len(images))
    estimated: list[tuple[np.ndarray, np.ndarray]] = []
    true: list[tuple[np.ndarray, np.ndarray]] = []
    for start in range(0, count, _PORTION):
        read = images.read(start, min(start + _PORTION, count), LEARNED_FROM)
        estimated.append(estimator.estimate(read["images"]))
        true.append((read["object_position_m"], read["object_quaternion_wxyz"]))
        if stop():
            break
    position_m, quaternion_wxyz = (np.concatenate(part) for part in zip(*estimated, strict=True))
    true_m, true_wxyz = (np.concatenate(part) for part in zip(*true, strict=True))
    return PoseErrors(
        name=str(images.path),
        renderer=images.metadata.renderer,
        position_m=position_m,
        quaternion_wxyz=quaternion_wxyz,
        rotation_deg=rotation_error_deg(quaternion_wxyz, true_wxyz),
        position_mm=np.linalg.norm(position_m - true_m, axis=1) * _MILLIMETRES,
    )


def rotation_error_deg(estimated_wxyz: np.ndarray, true_wxyz: np.ndarray) -> np.ndarray:
    """Angles (N,) of the rotations between two sets of unit quaternions (N, 4), degrees."""
    between = rotation.difference(torch.from_numpy(true_wxyz).double(), torch.from_numpy(estimated_wxyz).double())
    return (rotation.angle(between) * _DEGREES).numpy()


def _summary(values: np.ndarray) -> dict[str, float | None]:
    return {
        "mean": float(values.mean()),
        "std": float(values.std(ddof=1)) if len(values) > 1 else None,
        "median": float(np.median(values)),
        "percentile_95": float(np.percentile(values, 95)),
        "worst": float(values.max()),
    }

"""From states to rows of images: the object's pose augmented, the appearance drawn, the pictures made."""

from __future__ import annotations

from types import TracebackType

import numpy as np
import torch
from torch import Tensor

from dexctl import randomness
from dexctl.profile import schema
from dexctl.store.images import APPEARANCE
from dexctl.store.rows import Column
from dexctl.vision.rendering.augmentation import augment
from dexctl.vision.rendering.renderer import Kind, open_renderer

_LOOK = randomness.stream("render.look")
_POSE = randomness.stream("render.pose")


def look_keys(seed: int, look: Tensor) -> Tensor:
    """What looks (n,) int64 are drawn from, (n,)."""
    return randomness.derive(randomness.key(seed).expand(len(look)), _LOOK, look)


def pose_keys(seed: int, row: Tensor) -> Tensor:
    """What the poses of rows (n,) int64 are changed from, (n,)."""
    return randomness.derive(randomness.key(seed).expand(len(row)), _POSE, row)


class Drawing:
    """Draws rows of a dataset of images; row i is a function of (seed, i) and its state. A context manager.

    Attributes:
        device: what draws.
    """

    def __init__(self, kind: Kind, profile: schema.Profile, size_px: int, seed: int) -> None:
        """Opens a renderer.

        Raises:
            UnavailableError: this machine cannot draw so.
        """
        self._renderer = open_renderer(kind, profile, size_px)
        self._pose = profile.randomize.pose
        self._seed = seed
        self._at = self._renderer.object_qpos
        self.device = self._renderer.device

    @property
    def appearance(self) -> dict[str, Column]:
        """What is drawn for each row, by name."""
        return self._renderer.look.columns()

    def rows(self, row: np.ndarray, look: np.ndarray, state_row: np.ndarray, qpos: np.ndarray) -> dict[str, np.ndarray]:
        """Draws n rows.

        Args:
            row: (n,) int64, each row's number: which pose.
            look: (n,) int64: which appearance; rows with one number look alike.
            state_row: (n,) int64, kept as it is.
            qpos: (n, Q) float32 of hand and object.

        Returns:
            Every column of ``store.images``.
        """
        at = self._at
        posed = torch.from_numpy(qpos.astype(np.float64))
        position, orientation, done = augment(
            self._pose,
            pose_keys(self._seed, torch.from_numpy(row)),
            posed[:, at : at + 3],
            posed[:, at + 3 : at + 7],
        )
        posed[:, at : at + 3], posed[:, at + 3 : at + 7] = position, orientation
        drawn = self._renderer.look.draw(look_keys(self._seed, torch.from_numpy(look)))
        return {
            "images": self._renderer.draw(posed.numpy(), drawn),
            "object_position_m": position.numpy().astype(np.float32),
            "object_quaternion_wxyz": orientation.numpy().astype(np.float32),
            "qpos": posed.numpy().astype(np.float32),
            "state_row": state_row,
            "augmentation": done.numpy().astype(np.uint8),
            **{f"{APPEARANCE}{name}": values for name, values in drawn.items()},
        }

    def __enter__(self) -> Drawing:
        self._renderer.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._renderer.__exit__(kind, error, trace)

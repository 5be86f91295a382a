#!/usr/bin/env python
"""Training of the pose estimator beside a bare loop of the same network on one batch that never changes.

The bare loop is forward, backward and Adam on normalized pictures; training is the installed library
from a dataset on disk: reading, mixing, normalizing, contrast, noise, losses, landmarks and all.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np
import torch
import torch.nn.functional as functional
from harness import bench

from dexctl.profile.load import load
from dexctl.store.images import Images, ImagesMetadata, ImagesWriter
from dexctl.store.rows import Column
from dexctl.vision.batch import normalize
from dexctl.vision.feed import Feed, shuffled
from dexctl.vision.learner import PoseLearner
from dexctl.vision.network import PoseNetwork
from dexctl.vision.pose import NUM_ROTATION

PROFILE = "vision-small"
ROWS = 1024
BATCHES = 40
WARM_UP = 3


class Bare:
    """One batch over and over."""

    def __init__(self) -> None:
        self._vision = load(PROFILE).profile.vision
        assert self._vision is not None
        batch, edge_px = self._vision.training.batch, self._vision.image_px
        self._network = PoseNetwork(self._vision, 3, 0).to(memory_format=torch.channels_last)
        self._optimizer = torch.optim.Adam(self._network.parameters(), lr=1e-4)
        noise = torch.randint(0, 256, (batch, 3, edge_px, edge_px, 3), dtype=torch.uint8)
        self._pictures = normalize(noise, "picture")
        self._position, self._rotation = torch.randn(batch, 3), torch.randn(batch, NUM_ROTATION[self._network.rotation])

    def __call__(self) -> dict[str, float]:
        """Steps for a while."""
        for index in range(WARM_UP + BATCHES):
            if index == WARM_UP:
                started = time.perf_counter()
            given = self._network(self._pictures)
            loss = functional.mse_loss(given.position, self._position)
            loss = loss + functional.mse_loss(given.rotation, self._rotation)
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self._optimizer.step()
        return {"bare_pictures_per_s": BATCHES * 3 * len(self._pictures) / (time.perf_counter() - started)}


class Train:
    """The same network, fed from a dataset."""

    def __init__(self, folder: Path) -> None:
        self._profile = load(PROFILE).profile
        assert self._profile.vision is not None
        self._batch = self._profile.vision.training.batch
        self._images = Images(_dataset(folder / "images.zarr"))

    def __call__(self) -> dict[str, float]:
        """Learns for a while."""
        learner = PoseLearner(self._profile, 0)
        with Feed(shuffled([self._images], 0), self._batch, 0) as feed:
            for index in range(WARM_UP + BATCHES):
                if index == WARM_UP:
                    started, waited_s = time.perf_counter(), feed.waited_s
                batch = feed.take()
                assert batch is not None
                learner.standardize(batch.position_m)
                learner.learn(batch)
            elapsed_s = time.perf_counter() - started
            waiting = (feed.waited_s - waited_s) / elapsed_s
        return {"trained_pictures_per_s": BATCHES * 3 * self._batch / elapsed_s, "share_waiting": waiting}


def _dataset(path: Path) -> Path:
    """Noise of the pictures' size: what it shows does not matter to how long it takes."""
    profile = load(PROFILE).profile
    assert profile.vision is not None
    edge_px, rng = profile.vision.image_px, np.random.default_rng(0)
    metadata = ImagesMetadata(
        profile=msgspec.to_builtins(profile),
        profile_digest="",
        cameras=list(profile.cameras),
        renderer="classic",
        seed=0,
        height_px=edge_px,
        width_px=edge_px,
        positions=31,
    )
    camera = {
        "camera_position_m": Column("float32", (3, 3)),
        "camera_quaternion_wxyz": Column("float32", (3, 4)),
        "camera_fov_deg": Column("float32", (3,)),
    }
    cameras = profile.cameras.values()
    with ImagesWriter(path, metadata, camera) as writer:
        writer.append(
            {
                "images": rng.integers(0, 256, (ROWS, 3, edge_px, edge_px, 3)).astype(np.uint8),
                "object_position_m": rng.normal(profile.object.spawn_m, 0.02, (ROWS, 3)).astype(np.float32),
                "object_quaternion_wxyz": np.tile(np.array([1, 0, 0, 0], np.float32), (ROWS, 1)),
                "qpos": np.zeros((ROWS, 31), np.float32),
                "state_row": np.arange(ROWS),
                "augmentation": np.zeros(ROWS, np.uint8),
                "appearance/camera_position_m": _repeated([camera.position_m for camera in cameras]),
                "appearance/camera_quaternion_wxyz": _repeated([camera.quaternion_wxyz for camera in cameras]),
                "appearance/camera_fov_deg": _repeated([camera.vertical_fov_deg for camera in cameras]),
            }
        )
    return path


def _repeated(values: list[object]) -> np.ndarray:
    return np.repeat(np.array(values, np.float32)[None], ROWS, axis=0)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        ratio = ("trained_pictures_per_s", "bare_pictures_per_s")
        bench("vision", [Bare(), Train(Path(folder))], {"train_over_bare": ratio}, num_warm_ups=0)

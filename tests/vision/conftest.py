import msgspec
import numpy as np
import pytest
import torch

from dexctl import rotation
from dexctl.profile.load import load
from dexctl.store.images import ImagesMetadata, ImagesWriter
from dexctl.store.rows import Column
from dexctl.vision.learner import Pictures

TOY = (
    "vision.image_px=16",
    "vision.network.filters=[4]",
    "vision.network.kernels_px=[3]",
    "vision.network.strides=[1]",
    "vision.network.group_filters=[12]",
    "vision.network.group_blocks=[1]",
    "vision.network.dense=16",
    "vision.network.group_strides=[1]",
    "vision.training.batch=8",
    "vision.training.batches=12",
    "vision.training.measure_batches=4",
    "vision.training.gamma=1.0",
    "vision.training.saturation=1.0",
)
CAMERA = {
    "camera_position_m": Column("float32", (3, 3)),
    "camera_quaternion_wxyz": Column("float32", (3, 4)),
    "camera_fov_deg": Column("float32", (3,)),
}


@pytest.fixture(scope="session")
def load_toy():
    """A network and pictures so small that a step takes milliseconds, with more settings."""
    return lambda *settings: load("vision-small", [*TOY, *settings], {})


@pytest.fixture(scope="session")
def toy(load_toy):
    return load_toy()


@pytest.fixture(scope="session")
def make_pictures(toy):
    """Pictures of noise whose first pixel holds the row's number, so that each can be told from the others."""

    def make(count, first=0, seed=0):
        rng = np.random.default_rng(seed)
        edge_px = toy.profile.vision.image_px
        pictures = rng.integers(0, 256, (count, 3, edge_px, edge_px, 3)).astype(np.uint8)
        pictures[:, 0, 0, 0, 0] = np.arange(first, first + count) % 256
        cameras = toy.profile.cameras.values()
        position = np.array([camera.position_m for camera in cameras], np.float32)
        quaternion = rotation.normalize(torch.tensor([camera.quaternion_wxyz for camera in cameras])).numpy()
        fov = np.array([camera.vertical_fov_deg for camera in cameras], np.float32)
        return Pictures(
            pictures=pictures,
            position_m=rng.normal((1.0, 0.87, 0.17), 0.02, (count, 3)).astype(np.float32),
            quaternion_wxyz=rotation.uniform(torch.from_numpy(rng.random((count, 3)))).float().numpy(),
            camera_position_m=np.repeat(position[None], count, 0),
            camera_quaternion_wxyz=np.repeat(quaternion[None], count, 0),
            camera_fov_deg=np.repeat(fov[None], count, 0),
        )

    return make


@pytest.fixture(scope="session")
def write_images(toy, make_pictures):
    """Writes rows to a dataset, or adds to it, as ``render`` does."""

    def write(path, count, first=0, renderer="classic", seed=0):
        profile = toy.profile
        metadata = ImagesMetadata(
            profile=msgspec.to_builtins(profile),
            profile_digest=toy.digest,
            cameras=list(profile.cameras),
            renderer=renderer,
            seed=seed,
            height_px=profile.vision.image_px,
            width_px=profile.vision.image_px,
            positions=31,
        )
        rows = make_pictures(count, first, seed)
        with ImagesWriter(path, metadata, CAMERA) as writer:
            writer.append(
                {
                    "images": rows.pictures,
                    "object_position_m": rows.position_m,
                    "object_quaternion_wxyz": rows.quaternion_wxyz,
                    "qpos": np.zeros((count, 31), np.float32),
                    "state_row": np.arange(first, first + count),
                    "augmentation": np.zeros(count, np.uint8),
                    **{f"appearance/{name}": getattr(rows, name) for name in CAMERA},
                }
            )
        return path

    return write

"""Learning to see: one gradient step of mean squared error on each batch of pictures (section 5.2, Table 11)."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from dexctl.errors import ProtocolError
from dexctl.policy import checkpoint
from dexctl.policy.adam import adam_tensors, restore_adam
from dexctl.policy.precision import uses_bf16
from dexctl.profile import schema
from dexctl.vision.batch import Augmentation
from dexctl.vision.landmarks import landmark_loss, landmarks_in_world, project
from dexctl.vision.network import Given, PoseNetwork
from dexctl.vision.pose import encode_rotation

NETWORK = "estimator."
_ADAM = "adam."


@dataclasses.dataclass(frozen=True)
class Pictures:
    """A batch to learn from: what a dataset of images has of some rows.

    Attributes:
        pictures: (B, C, H, W, 3) uint8.
        position_m, quaternion_wxyz: (B, 3) and (B, 4) float32, of the object.
        camera_position_m, camera_quaternion_wxyz, camera_fov_deg: (B, C, 3), (B, C, 4), (B, C) float32, of the
            cameras as they really stood.
    """

    pictures: np.ndarray
    position_m: np.ndarray
    quaternion_wxyz: np.ndarray
    camera_position_m: np.ndarray
    camera_quaternion_wxyz: np.ndarray
    camera_fov_deg: np.ndarray

    def __len__(self) -> int:
        return len(self.pictures)


@dataclasses.dataclass(frozen=True)
class Losses:
    """Mean squared errors of one step, and how surely landmarks were missed, where the profile weighs them."""

    position: float
    rotation: float
    landmarks: float


class PoseLearner:
    """The network and its optimizer; pictures in, steps out.

    Attributes:
        batches, states: learned from so far.
        network: what learns.
    """

    def __init__(self, profile: schema.Profile, seed: int) -> None:
        assert profile.vision is not None
        self.profile, self._vision = profile, profile.vision
        self.network = PoseNetwork(profile.vision, len(profile.cameras), seed)
        self.network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue] - torch's stub lacks it
        kernels = [parameter for parameter in self.network.parameters() if parameter.ndim > 1]
        others = [parameter for parameter in self.network.parameters() if parameter.ndim <= 1]
        training = profile.vision.training
        groups = [{"params": kernels, "weight_decay": training.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self._optimizer = torch.optim.Adam(groups, lr=training.learning_rate)
        self._seed = seed
        self._bf16 = uses_bf16(training.autocast)
        self.batches = self.states = 0

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        training = self._vision.training
        return training.learning_rate * 0.5 ** (self.batches // training.halve_batches)

    def standardize(self, position_m: np.ndarray) -> None:
        """Takes the unit of positions from those of the first pictures; later calls change nothing."""
        if self.batches:
            return
        positions = torch.from_numpy(position_m)
        self.network.position_mean_m.copy_(positions.mean(dim=0))
        # A millimetre at least: positions that are all alike have no deviation.
        self.network.position_std_m.copy_(positions.std(dim=0).clamp_min(1e-3))

    def learn(self, batch: Pictures) -> Losses:
        """Makes one step."""
        for group in self._optimizer.param_groups:
            group["lr"] = self.learning_rate
        # What is drawn depends on seed and step alone, so that a resumed run goes on as it would have.
        augment = Augmentation(self.profile, self._seed * 1_000_003 + self.batches)
        pictures, shift = augment(torch.from_numpy(batch.pictures))
        self.network.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
            given = self.network(pictures)
        position_m, quaternion_wxyz = torch.from_numpy(batch.position_m), torch.from_numpy(batch.quaternion_wxyz)
        network, training = self.network, self._vision.training
        target = (position_m - network.position_mean_m) / network.position_std_m
        position = functional.mse_loss(given.position.float(), target)
        rotation = functional.mse_loss(given.rotation.float(), encode_rotation(quaternion_wxyz, network.rotation))
        loss = position + training.rotation_weight * rotation
        landmarks = torch.zeros(())
        if training.landmark_weight:
            landmarks = self._landmark_loss(given, batch, shift)
            loss = loss + training.landmark_weight * landmarks
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        self.batches += 1
        self.states += len(batch)
        return Losses(position.item(), rotation.item(), landmarks.item())

    def _landmark_loss(self, given: Given, batch: Pictures, shift: Tensor) -> Tensor:
        points_m = landmarks_in_world(
            self.profile, torch.from_numpy(batch.position_m), torch.from_numpy(batch.quaternion_wxyz)
        )
        camera = (batch.camera_position_m, batch.camera_quaternion_wxyz, batch.camera_fov_deg)
        wanted = project(points_m, *map(torch.from_numpy, camera)) + shift[:, :, None]
        return landmark_loss(given.maps.float(), wanted)

    def state(self) -> dict[str, Tensor]:
        """All that a resumed run needs, by name; what estimating needs is below ``estimator.``."""
        tensors = {f"{NETWORK}{name}": value for name, value in self.network.state_dict().items()}
        return tensors | {f"{_ADAM}{name}": value for name, value in adam_tensors(self._optimizer).items()}

    def restore(self, saved: checkpoint.Checkpoint) -> None:
        """Goes on from a checkpoint.

        Raises:
            ProtocolError: it is of another network, or holds no optimizer.
        """
        check_estimator(saved, self.profile)
        checkpoint.load_into(self.network, saved, NETWORK)
        if not saved.module(_ADAM):
            raise ProtocolError(f"{saved.path}: a finished estimator, without its optimizer", "Start over: --fresh.")
        progress = saved.header.progress
        restore_adam(self._optimizer, saved.module(_ADAM), progress.learning_rate)
        self.batches, self.states = progress.version, progress.steps


def check_estimator(saved: checkpoint.Checkpoint, profile: schema.Profile) -> None:
    """Compares what the shapes of weights do not show: how pictures are read.

    Raises:
        ProtocolError: it is no estimator, or of another network; names the key.
    """
    was, wanted = saved.profile.vision, profile.vision
    if was is None or wanted is None or not saved.module(NETWORK):
        raise ProtocolError(
            f"{saved.path}: a policy, not a pose estimator", "Give a run or checkpoint of train-vision."
        )
    compared = (
        ("vision.image_px", was.image_px, wanted.image_px),
        ("vision.training.normalize", was.training.normalize, wanted.training.normalize),
        ("vision.network", was.network, wanted.network),
        ("cameras", list(saved.profile.cameras), list(profile.cameras)),
    )
    for key, mine, theirs in compared:
        if mine != theirs:
            raise ProtocolError(
                f"{saved.path}: trained with another {key}: {mine}, the profile has {theirs}",
                "Use the profile it was trained with.",
            )

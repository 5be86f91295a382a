"""A trained network at work: pictures of the cameras in, the object's pose out."""

from __future__ import annotations

import numpy as np
import torch

from dexctl.errors import ProtocolError
from dexctl.policy import checkpoint
from dexctl.profile import schema
from dexctl.vision.batch import normalize
from dexctl.vision.learner import NETWORK, check_estimator
from dexctl.vision.network import PoseNetwork

# Pictures that go through the network together: more take more memory and no less time.
_TOGETHER = 64


class Estimator:
    """The object's pose from pictures.

    Attributes:
        profile: that it was trained with.
        cameras: that take the pictures, in their order; image_px: edge of each.
    """

    def __init__(self, profile: schema.Profile, network: PoseNetwork) -> None:
        assert profile.vision is not None
        self.profile = profile
        self.cameras, self.image_px = tuple(profile.cameras), profile.vision.image_px
        self._normalize = profile.vision.training.normalize
        self._network = network

    @classmethod
    def open(cls, saved: checkpoint.Checkpoint) -> Estimator:
        """The estimator of a checkpoint.

        Raises:
            ProtocolError: it is a policy's, or of another network.
        """
        check_estimator(saved, saved.profile)
        vision = saved.profile.vision
        assert vision is not None
        if sum(vision.network.group_blocks) > len(saved.tensors):
            raise ProtocolError(f"{saved.path}: its header wants more layers than it has", "Take another checkpoint.")
        checkpoint.check_shapes(saved, NETWORK, lambda: PoseNetwork(vision, len(saved.profile.cameras), 0))
        network = PoseNetwork(vision, len(saved.profile.cameras), 0)
        checkpoint.load_into(network, saved, NETWORK)
        return cls(saved.profile, network)

    def estimate(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Estimates poses.

        Args:
            pictures: (B, C, H, W, 3) uint8, RGB.

        Returns:
            Positions (B, 3) float32, m, and unit quaternions (B, 4) float32, wxyz, w >= 0; world frame.
        """
        positions, quaternions = [], []
        was_training = self._network.training
        self._network.eval()
        with torch.inference_mode():
            for start in range(0, len(pictures), _TOGETHER):
                part = torch.from_numpy(pictures[start : start + _TOGETHER])
                position_m, quaternion_wxyz = self._network.pose(self._network(normalize(part, self._normalize)))
                positions.append(position_m.numpy())
                quaternions.append(quaternion_wxyz.numpy())
        self._network.train(was_training)
        return np.concatenate(positions), np.concatenate(quaternions)

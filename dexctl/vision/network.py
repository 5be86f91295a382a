"""The network of Table 12: a tower for each camera with the same weights, then dense layers over all.

D.2 gives stride 3 to all four residual groups. Read so, maps shrink 64, 22, 8, 3, 1, and a spatial
softmax over one place is a constant; strides are a profile's choice, and ``profile/check.py`` refuses 1 x 1.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dexctl.profile import schema
from dexctl.profile.check import last_map_px
from dexctl.vision.pose import NUM_POSITION, NUM_ROTATION, decode_rotation

# B states, C cameras, H, W pixels, K numbers of the rotation.


class Given(NamedTuple):
    """What the network gives.

    Attributes:
        position: (B, 3), standardized; rotation: (B, K).
        maps: (B, C, F, H', W') that the towers end with; for a spatial softmax the logarithms of weights.
    """

    position: Tensor
    rotation: Tensor
    maps: Tensor


class PoseNetwork(nn.Module):
    """Pictures of one state from every camera to the object's pose.

    Attributes:
        position_mean_m, position_std_m: (3,) buffers; positions are given in these units.
        rotation: kind of the numbers of the rotation, as in the profile.
    """

    position_mean_m: Tensor
    position_std_m: Tensor

    def __init__(self, vision: schema.Vision, num_cameras: int, seed: int) -> None:
        """Makes the network with weights from ``seed``."""
        super().__init__()
        network = vision.network
        self.rotation = network.rotation
        self.tower = nn.Sequential(*_tower(network))
        features = network.group_filters[-1]
        edge_px = last_map_px(vision)
        self.reading = SpatialSoftmax() if network.reading == "spatial-softmax" else nn.Flatten()
        read = 2 * features if network.reading == "spatial-softmax" else features * edge_px**2
        self.dense = nn.Linear(num_cameras * read, network.dense)
        self.head = nn.Linear(network.dense, NUM_POSITION + NUM_ROTATION[network.rotation])
        self.register_buffer("position_mean_m", torch.zeros(NUM_POSITION))
        self.register_buffer("position_std_m", torch.ones(NUM_POSITION))
        self._initialize(torch.Generator().manual_seed(seed))

    def forward(self, pictures_BCHW3: Tensor) -> Given:
        """Estimates poses from float pictures, normalized, channels last."""
        states, cameras = pictures_BCHW3.shape[:2]
        # The channels stay where they are in memory, which is also what convolutions on processors like best.
        maps = self.tower(pictures_BCHW3.flatten(0, 1).permute(0, 3, 1, 2))
        read = self.reading(maps).reshape(states, -1)
        assert read.shape[1] == self.dense.in_features, f"{cameras} cameras"
        given = self.head(torch.relu(self.dense(read)))
        return Given(given[:, :NUM_POSITION], given[:, NUM_POSITION:], maps.unflatten(0, (states, cameras)))

    def pose(self, given: Given) -> tuple[Tensor, Tensor]:
        """What the network gave as positions (B, 3), m, and unit quaternions (B, 4), wxyz, w >= 0."""
        position_m = given.position.float() * self.position_std_m + self.position_mean_m
        return position_m, decode_rotation(given.rotation.float(), self.rotation)

    def _initialize(self, generator: torch.Generator) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for module in self.modules():
            # A block starts as its shortcut: signals keep their size however many blocks there are.
            if isinstance(module, ResidualBlock):
                nn.init.zeros_(module.second.weight)
        nn.init.normal_(self.head.weight, std=0.1 / math.sqrt(self.head.in_features), generator=generator)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions, each after a rectifier, beside a shortcut that is projected where shapes change."""

    def __init__(self, before: int, after: int, stride: int, batch_norm: bool) -> None:
        super().__init__()
        self.first_norm = _norm(before, batch_norm)
        self.first = nn.Conv2d(before, after, 3, stride, padding=1, bias=not batch_norm)
        self.second_norm = _norm(after, batch_norm)
        self.second = nn.Conv2d(after, after, 3, padding=1)
        same = before == after and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(before, after, 1, stride, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, before, H, W) to (N, after, H', W')."""
        active = torch.relu(self.first_norm(maps))
        inner = self.second_norm(self.first(active))
        return self.second(torch.relu_(inner)).add_(self.shortcut(maps))


class Sharpness(nn.Module):
    """One factor for all maps, the inverse of a softmax's temperature, learned as its logarithm."""

    def __init__(self) -> None:
        super().__init__()
        self.logarithm = nn.Parameter(torch.zeros(()))

    def forward(self, maps: Tensor) -> Tensor:
        """Scales maps of any shape."""
        return maps * self.logarithm.exp()


class SpatialSoftmax(nn.Module):
    """The mean place of each map, its values taken as logarithms of weights."""

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, F, H, W) to places (N, 2 F) in [-1, 1], x of all features and then y."""
        height, width = maps.shape[2:]
        weight = torch.softmax(maps.flatten(2), dim=2).reshape(maps.shape)
        x = torch.linspace(-1.0, 1.0, width, dtype=maps.dtype, device=maps.device)
        y = torch.linspace(-1.0, 1.0, height, dtype=maps.dtype, device=maps.device)
        return torch.cat(((weight.sum(dim=2) * x).sum(dim=2), (weight.sum(dim=3) * y).sum(dim=2)), dim=1)


def _tower(network: schema.VisionNetwork) -> list[nn.Module]:
    batch_norm = network.normalization == "batch"
    layers: list[nn.Module] = []
    sizes = itertools.pairwise((3, *network.filters))
    for (before, after), kernel_px, stride in zip(sizes, network.kernels_px, network.strides, strict=True):
        layers += [nn.Conv2d(before, after, kernel_px, stride, bias=not batch_norm), _norm(after, batch_norm)]
        # In place: fresh memory for maps of this size costs a third of the whole estimate.
        layers.append(nn.ReLU(inplace=True))
    if network.pool > 1:
        layers.append(nn.MaxPool2d(network.pool))
    before = network.filters[-1]
    groups = zip(network.group_filters, network.group_blocks, network.group_strides, strict=True)
    for after, blocks, stride in groups:
        for index in range(blocks):
            layers.append(ResidualBlock(before, after, stride if index == 0 else 1, batch_norm))
            before = after
    layers.append(_norm(before, batch_norm))
    # The logarithm of a weight may be negative, and is the sharper the larger it may be.
    last = Sharpness() if network.reading == "spatial-softmax" else nn.ReLU()
    return [*layers, last]


def _norm(features: int, batch_norm: bool) -> nn.Module:
    return nn.BatchNorm2d(features) if batch_norm else nn.Identity()

"""The pose estimator: what it sees, its network, and how it learns."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from dexctl.profile.schema.kinds import NonNegative, Positive, PositiveCount, PositiveValue, Table

Counts = Annotated[list[PositiveCount], Meta(min_length=1)]


class VisionNetwork(Table, frozen=True, kw_only=True):
    """The network of Table 12: one tower for each camera with the same weights, then dense layers over all.

    Attributes:
        filters, kernels_px, strides: of the plain convolutions, without padding; one entry for each.
        pool: edge and stride of the max pooling after them; 1 for none.
        group_filters, group_blocks, group_strides: of the groups of residual blocks; one entry for each. A
            group's stride is its first block's.
        normalization: ``none``, or ``batch`` after each convolution.
        reading: what the last maps become: ``spatial-softmax``, the mean place of each; ``flatten``, every value.
        dense: size of the layer over all cameras.
        rotation: what the network gives: a ``quaternion``, w >= 0, or a ``matrix`` whose nearest rotation counts.
    """

    filters: Counts
    kernels_px: Counts
    strides: Counts
    pool: PositiveCount
    group_filters: Counts
    group_blocks: Counts
    group_strides: Counts
    normalization: Literal["none", "batch"]
    reading: Literal["spatial-softmax", "flatten"]
    dense: PositiveCount
    rotation: Literal["quaternion", "matrix"]


class VisionTraining(Table, frozen=True, kw_only=True):
    """How the estimator learns (Table 11).

    Attributes:
        batch: states of one gradient step, each seen by every camera.
        batches: when the training is over.
        halve_batches: after so many batches the learning rate is half.
        weight_decay: added to the gradient of each kernel, times the kernel; biases have none.
        rotation_weight: of the rotation's error beside the position's, whose targets have deviation 1.
        landmark_weight: of the error of the landmarks (``vision/landmarks.py``) in each picture; 0 tells the towers
            nothing of what to look for.
        normalize: each picture, or each of its color channels, to mean 0 and deviation 1.
        shift_px: pictures are moved by up to so many pixels each way, anew each time they are seen.
        measure_batches: batches between two measurements on pictures that are not learned from.
        gamma: exponent of each picture's brightness, before it is normalized.
        saturation: factor of the distance of each picture's colours from grey, likewise.
    """

    batch: PositiveCount
    batches: PositiveCount
    learning_rate: Positive
    halve_batches: PositiveCount
    weight_decay: NonNegative
    rotation_weight: Positive
    landmark_weight: NonNegative
    normalize: Literal["picture", "channel"]
    shift_px: Annotated[int, Meta(ge=0)]
    measure_batches: PositiveCount
    autocast: Literal["auto", "bf16", "off"]
    gamma: PositiveValue = 1.0
    saturation: PositiveValue = 1.0


class Vision(Table, frozen=True, kw_only=True):
    """The pose estimator; a profile without this table trains none.

    Attributes:
        image_px: edge of each picture.
    """

    image_px: PositiveCount
    network: VisionNetwork
    training: VisionTraining

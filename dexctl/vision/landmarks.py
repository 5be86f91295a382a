"""Where the object's corners and a few places of the room stand in each picture.

A spatial softmax gives the mean place of each map. Told what the first of its maps are to find, a tower
learns from some 20 numbers a picture in place of 7 for three; the corners' places give the rotation by
a linear map, and the places of the room tell how far a camera was turned from where it should look.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from dexctl import rotation
from dexctl.profile import schema
from dexctl.profile.check import NUM_LANDMARKS

# B states, C cameras, L landmarks.

# Apart enough to tell turns of a camera from shifts, near enough to be in most pictures.
_REACH_M = 0.05
_NUM_CORNERS, _NUM_PLACES = 8, 4
assert NUM_LANDMARKS == _NUM_CORNERS + _NUM_PLACES


def landmarks_in_world(profile: schema.Profile, position_m: Tensor, quaternion_wxyz: Tensor) -> Tensor:
    """The object's corners, those of the cube around it, and four fixed places.

    Args:
        position_m, quaternion_wxyz: (B, 3) and (B, 4), of the object in the world frame.

    Returns:
        (B, L, 3), m.
    """
    half_m = 0.5 * profile.object.size_m
    corners = torch.tensor(list(itertools.product((-half_m, half_m), repeat=3)), dtype=position_m.dtype)
    fixed = torch.tensor(profile.object.spawn_m, dtype=position_m.dtype).repeat(_NUM_PLACES, 1)
    fixed[1:] -= _REACH_M * torch.eye(3, dtype=position_m.dtype)
    count = len(position_m)
    turned = rotation.rotate(
        quaternion_wxyz[:, None].expand(count, _NUM_CORNERS, 4), corners.expand(count, _NUM_CORNERS, 3)
    )
    return torch.cat((turned + position_m[:, None], fixed.expand(count, _NUM_PLACES, 3)), dim=1)


def project(
    points_m: Tensor, camera_position_m: Tensor, camera_quaternion_wxyz: Tensor, vertical_fov_deg: Tensor
) -> Tensor:
    """Where points stand in square pictures.

    Args:
        points_m: (B, L, 3), world frame.
        camera_position_m, camera_quaternion_wxyz, vertical_fov_deg: (B, C, 3), (B, C, 4), (B, C).

    Returns:
        (B, C, L, 2): x to the right, y downwards, both from -1 to 1 inside the picture.
    """
    count, cameras = vertical_fov_deg.shape
    offset = points_m[:, None] - camera_position_m[:, :, None]
    turn = rotation.conjugate(camera_quaternion_wxyz)[:, :, None].expand(count, cameras, points_m.shape[1], 4)
    # A camera looks along its own -z, with +y up.
    seen = rotation.rotate(turn, offset)
    depth = -seen[..., 2] * torch.tan(vertical_fov_deg * (math.pi / 360.0))[..., None]
    return torch.stack((seen[..., 0] / depth, -seen[..., 1] / depth), dim=-1)


def landmark_loss(maps: Tensor, wanted: Tensor) -> Tensor:
    """How far the first maps are from finding the landmarks: cross entropy, less that of a perfect find.

    The wanted weights of a map lie on the four cells around the landmark, so that their mean place is it.
    A landmark outside of the picture counts for nothing. The error of the mean places alone hardly moves
    maps that are still flat: each cell of 196 has a 196th of the say.

    Args:
        maps: (B, C, F, H, W), logarithms of weights.
        wanted: (B, C, L, 2), as ``project`` gives them.
    """
    height, width = maps.shape[3:]
    likely = torch.log_softmax(maps[:, :, :NUM_LANDMARKS].flatten(3), dim=3)
    place = 0.5 * (wanted + 1.0) * torch.tensor((width - 1.0, height - 1.0))
    inside = (wanted.abs() <= 1.0).all(dim=3)
    corner = place.floor().clamp(min=0.0)
    corner = torch.minimum(corner, torch.tensor((width - 2.0, height - 2.0)))
    share = (place - corner).clamp(0.0, 1.0)
    loss = torch.zeros_like(inside, dtype=maps.dtype)
    for right, down in itertools.product((0, 1), repeat=2):
        across = share[..., 0] if right else 1.0 - share[..., 0]
        along = share[..., 1] if down else 1.0 - share[..., 1]
        weight = across * along
        cell = ((corner[..., 1] + down) * width + corner[..., 0] + right).long()
        found = likely.gather(3, cell[..., None]).squeeze(3)
        loss = loss + weight * (weight.clamp_min(1e-9).log() - found)
    return (loss * inside).mean()

import math

import pytest
import torch

from dexctl import rotation
from dexctl.profile.check import NUM_LANDMARKS
from dexctl.vision.landmarks import landmark_loss, landmarks_in_world, project


def camera_above():
    """One metre above the origin, looking down, x to the right."""
    return torch.tensor([[[0.0, 0.0, 1.0]]]), torch.tensor([[[1.0, 0.0, 0.0, 0.0]]]), torch.tensor([[90.0]])


def test_a_point_in_the_middle_of_the_view_is_in_the_middle_of_the_picture():
    assert project(torch.zeros(1, 1, 3), *camera_above()).tolist() == [[[[0.0, 0.0]]]]


def test_a_picture_has_x_to_the_right_and_y_downwards_and_ends_at_one():
    edges = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -0.5, 0.0]]])
    found = project(edges, *camera_above())[0, 0]
    assert torch.allclose(found, torch.tensor([[1.0, 0.0], [0.0, -1.0], [0.0, 0.5]]), atol=1e-6)


def test_corners_keep_their_distance_from_the_object_and_turn_with_it(toy):
    position = torch.tensor([[1.0, 0.8, 0.2]])
    straight = landmarks_in_world(toy.profile, position, torch.tensor([[1.0, 0.0, 0.0, 0.0]]))[0]
    quarter = rotation.about_z(torch.tensor([math.pi / 2]))
    turned = landmarks_in_world(toy.profile, position, quarter)[0]
    half_m = 0.5 * toy.profile.object.size_m
    assert torch.allclose((straight[:8] - position).abs(), torch.full((8, 3), half_m), atol=1e-6)
    assert torch.allclose(
        turned[:8], rotation.rotate(quarter.expand(8, 4), straight[:8] - position) + position, atol=1e-6
    )
    assert torch.equal(turned[8:], straight[8:])


def test_the_loss_of_maps_that_find_every_landmark_is_nothing_and_grows_with_what_they_miss():
    wanted = torch.rand(2, 3, NUM_LANDMARKS, 2, generator=torch.Generator().manual_seed(0)) * 1.8 - 0.9
    maps = torch.full((2, 3, NUM_LANDMARKS, 9, 9), -30.0)
    place = (wanted + 1.0) * 4.0
    for index in torch.cartesian_prod(torch.arange(2), torch.arange(3), torch.arange(NUM_LANDMARKS)).tolist():
        x, y = place[tuple(index)].tolist()
        left, top = int(x), int(y)
        for right, down in ((0, 0), (0, 1), (1, 0), (1, 1)):
            share = (x - left if right else 1 - x + left) * (y - top if down else 1 - y + top)
            maps[(*index, top + down, left + right)] = math.log(share)
    assert landmark_loss(maps, wanted) == pytest.approx(0.0, abs=1e-4)
    assert landmark_loss(torch.zeros_like(maps), wanted) > 2.0
    assert landmark_loss(maps, -wanted) > 5.0


def test_a_landmark_outside_of_the_picture_counts_for_nothing():
    wanted = torch.full((1, 1, NUM_LANDMARKS, 2), 1.5)
    assert landmark_loss(torch.randn(1, 1, NUM_LANDMARKS, 5, 5), wanted) == 0.0

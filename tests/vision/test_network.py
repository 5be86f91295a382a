import pytest
import torch

from dexctl.vision.network import ResidualBlock


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize(("after", "stride"), [(4, 1), (6, 3)])
def test_a_block_works_in_place_on_its_own_maps_alone(batch_norm, after, stride):
    torch.manual_seed(0)
    block = ResidualBlock(4, after, stride, batch_norm)
    maps = torch.randn(2, 4, 9, 9, requires_grad=True)
    before = maps.detach().clone()
    active = block.first(torch.relu(block.first_norm(maps)))
    expected = block.second(torch.relu(block.second_norm(active))) + block.shortcut(maps)
    expected.square().sum().backward()
    gradient, maps.grad = maps.grad, None
    found = block(maps)
    found.square().sum().backward()
    assert torch.equal(maps, before)
    assert torch.equal(found, expected)
    assert torch.equal(maps.grad, gradient)

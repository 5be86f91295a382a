"""An optimizer goes on from a checkpoint's moments, or says why it cannot."""

import pytest
import torch

from dexctl.errors import ProtocolError
from dexctl.policy.adam import adam_tensors, restore_adam


@pytest.fixture
def optimizer():
    return torch.optim.Adam(torch.nn.Linear(3, 2).parameters(), lr=0.1)


@pytest.fixture
def tensors():
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return adam_tensors(optimizer)


def test_what_was_told_is_gone_on_from(optimizer, tensors):
    restore_adam(optimizer, tensors, 0.5)
    again = adam_tensors(optimizer)
    assert again.keys() == tensors.keys()
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)
    assert optimizer.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize("name", ["7.step", "-1.step", "a.step", "0.exp_avg.more", "step"])
def test_what_is_of_no_parameter_is_refused(optimizer, tensors, name):
    with pytest.raises(ProtocolError, match=r"does not fit|not whole"):
        restore_adam(optimizer, {**tensors, name: torch.ones(())}, 0.5)


def test_moments_of_another_shape_or_not_whole_are_refused(optimizer, tensors):
    with pytest.raises(ProtocolError, match=r"0\.exp_avg does not fit"):
        restore_adam(optimizer, {**tensors, "0.exp_avg": torch.ones(9)}, 0.5)
    del tensors["0.exp_avg"]
    with pytest.raises(ProtocolError, match="not whole"):
        restore_adam(optimizer, tensors, 0.5)

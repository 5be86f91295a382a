"""Weights on their way to workers: all that acting needs, and no other network's."""

import numpy as np
import pytest
import torch

from dexctl.errors import ProtocolError
from dexctl.policy.actor import Actor
from dexctl.policy.weights import from_arrays, to_arrays


def test_what_arrives_acts_as_what_was_sent(toy):
    sent, received = Actor(toy(), 20, seed=1), Actor(toy(), 20, seed=2)
    sent.normalization.update(torch.randn(50, 22) * 3 + 1)
    arrays = to_arrays(sent)
    for array in arrays.values():
        # They may be views of memory that others read too.
        array.flags.writeable = False
    from_arrays(received, arrays)
    observations, uniform = torch.randn(4, 22), torch.rand(4, 20)
    ours, theirs = (actor.act(observations, actor.initial_state(4), uniform) for actor in (sent, received))
    assert torch.equal(ours[0], theirs[0])
    assert torch.equal(ours[1], theirs[1])


def test_what_is_sent_stays_as_it_was_when_learning_goes_on(toy):
    actor = Actor(toy(), 20)
    arrays = to_arrays(actor)
    before = {name: array.copy() for name, array in arrays.items()}
    with torch.no_grad():
        for parameter in actor.parameters():
            parameter += 1.0
    assert all(array.dtype == np.float32 for array in arrays.values())
    assert all(np.array_equal(arrays[name], before[name]) for name in arrays)


@pytest.mark.parametrize("setting", ["policy.actor.lstm=7", "policy.actor.hidden=[12]"])
def test_weights_of_another_network_are_refused(toy, setting):
    with pytest.raises(ProtocolError, match="another network"):
        from_arrays(Actor(toy(), 20), to_arrays(Actor(toy("lstm", setting), 20)))

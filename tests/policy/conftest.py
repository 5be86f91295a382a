"""Profiles whose networks are small enough to look through."""

import pytest

from dexctl.profile.load import load

SMALL = ["policy.actor.hidden=[12, 8]", "policy.critic.hidden=[10]", "policy.actor.lstm=6", "policy.critic.lstm=5"]


@pytest.fixture
def toy():
    """A profile with networks of one kind, ``lstm`` or ``feedforward``."""

    def toy(kind="lstm", *settings):
        kinds = [f'policy.actor.kind="{kind}"', f'policy.critic.kind="{kind}"']
        return load("block-small-lstm", [*SMALL, *kinds, *settings], {}).profile

    return toy

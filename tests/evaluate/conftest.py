"""A profile whose trials are short and end in every way."""

import pytest

from dexctl.profile.load import load

SHORT = [
    "task.start_random_steps=2",
    # A goal in four is reached as it is drawn.
    "task.success_rad=1.8",
    "task.redraw_reached=false",
    'task.goal="so3"',
    "evaluate.goal_timeout_s=1.6",
    "evaluate.goals=3",
    "policy.actor.hidden=[16]",
    "policy.actor.lstm=8",
    "policy.initial_std=0.0",
]


@pytest.fixture
def toy():
    """The profile with an actor of one kind; settings win."""

    def toy(kind="lstm", *settings, name="block-small-lstm"):
        return load(name, [*SHORT, f'policy.actor.kind="{kind}"', *settings], {}).profile

    return toy

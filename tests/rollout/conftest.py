"""A profile of the real task whose segments and episodes are short."""

import pytest

from dexctl.profile.load import load

SHORT = [
    "rollout.environments=6",
    "rollout.segment_steps=16",
    "ppo.batch_steps=96",
    "ppo.minibatches=1",
    "ppo.chunk_steps=4",
    "task.start_random_steps=2",
    "task.start_bank=8",
    "task.start_refresh=2",
    # Ten steps: episodes end inside of segments.
    "task.goal_timeout_s=0.8",
    # A goal in four is reached as it is drawn.
    "task.success_rad=1.8",
    "task.redraw_reached=false",
    'task.goal="so3"',
    "task.goals_per_episode=2",
    "reward.scale=1.0",
    "reward.distance=0.0",
    "policy.actor.hidden=[16]",
    "policy.critic.hidden=[16]",
    "policy.actor.lstm=8",
    "policy.critic.lstm=8",
]


@pytest.fixture
def toy():
    """The profile with networks of one kind; settings win."""

    def toy(kind="lstm", *settings, name="block-small-lstm"):
        kinds = [f'policy.actor.kind="{kind}"', f'policy.critic.kind="{kind}"']
        return load(name, [*SHORT, *kinds, *settings], {}).profile

    return toy

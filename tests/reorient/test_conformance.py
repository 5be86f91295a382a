"""What the environment of every whole profile keeps to; profiles that share one are played once."""

import pytest
import torch

from dexctl.policy.actor import actor_shape, critic_shape
from dexctl.profile.check import OBSERVATIONS
from dexctl.profile.load import load, names
from dexctl.reorient import observation
from dexctl.reorient.action import num_actuators
from dexctl.reorient.environment import End

WHOLE = [listed.name for listed in names() if not listed.part]
# All that an environment is made of; the rest of a profile is for who learns, sees or serves.
TABLES = ("hand", "object", "physics", "task", "reward", "action", "randomize")
# Starts are as the profile has them but for their length, which makes no other numbers.
SHORT = ["task.start_random_steps=3"]
# The goal stays until it is reached.
CONSTANT = "target_orientation"


def environment_of(name):
    profile = load(name, (), {}).profile
    return repr([getattr(profile, table) for table in TABLES])


# The first of each kind stands for it.
STANDING = {environment_of(name): name for name in reversed(WHOLE)}


@pytest.fixture(params=STANDING.values())
def profile_name(request):
    return request.param


def test_there_are_profiles_to_keep_to_it():
    assert {"block", "block-paper", "block-yaw"} <= set(WHOLE)
    assert 10 < len(STANDING) < len(WHOLE)


@pytest.mark.parametrize("name", WHOLE)
def test_the_networks_of_a_profile_take_what_they_are_to_see(name):
    profile = load(name, (), {}).profile
    seen = {one: torch.zeros(3, size) for one, size in observation.sizes(profile).items()}
    assert set(seen) == set(OBSERVATIONS)
    for shape, network in (
        (actor_shape(profile, num_actuators(profile)), profile.policy.actor),
        (critic_shape(profile), profile.policy.critic),
    ):
        assert observation.concatenate(seen, network.observe).shape == (3, shape.inputs)


def test_observations_have_the_stated_sizes_and_are_finite(make, actions, profile_name):
    env = make(profile_name, 3, SHORT)
    profile = env.profile
    for step in range(12):
        seen = env.observe()
        assert set(seen) == set(OBSERVATIONS)
        for name, values in seen.items():
            assert values.shape == (3, observation.sizes(profile)[name]), name
            assert values.dtype == torch.float64
            assert bool(torch.isfinite(values).all()), name
        env.step(actions(env, step))


def test_no_observation_is_constant_over_an_episode(make, actions, profile_name):
    env = make(profile_name, 6, SHORT)
    seen = [env.observe()]
    running, reached = torch.ones(6, dtype=torch.bool), torch.zeros(6, dtype=torch.bool)
    for step in range(12):
        done = env.step(actions(env, step))
        running &= done.end == End.RUNNING
        reached |= done.reached
        seen.append(env.observe())
    assert bool(running.any())
    for name in OBSERVATIONS:
        over_time = torch.stack([one[name] for one in seen])[:, running]
        changed = (over_time != over_time[0]).any(dim=2).any(dim=0)
        assert changed.tolist() == (reached[running].tolist() if name == CONSTANT else [True] * int(running.sum())), (
            name
        )
        # Between simulations every one differs but for the clock, which all started together.
        assert bool((over_time != over_time[:, :1]).any()) or name == "time_left" or len(over_time[0]) == 1, name


def test_steps_share_no_memory(make, actions, profile_name):
    env = make(profile_name, 3, SHORT)
    kept = []
    for step in range(6):
        seen = env.observe()
        done = env.step(actions(env, step))
        fields = {**seen, **vars(done)}
        kept.append([(name, value, value.clone()) for name, value in fields.items()])
    assert all(torch.equal(value, copy) for row in kept for _, value, copy in row)
    state = env.physics.qpos.clone(), env.physics.qvel.clone(), env.goal.clone(), env.goals.clone()
    average = env.observe()["action_average"].clone()
    for row in kept:
        for _, value, _ in row:
            value.fill_(7)
    after = env.physics.qpos, env.physics.qvel, env.goal, env.goals
    assert all(torch.equal(one, other) for one, other in zip(state, after, strict=True))
    assert torch.equal(env.observe()["action_average"], average)


def run(env, actions, steps=25):
    """Everything that an environment shows over some steps."""
    shown = []
    for step in range(steps):
        shown += list(env.observe().values())
        shown += list(vars(env.step(actions(env, step))).values())
    return shown


def test_the_same_seed_is_the_same_run_and_another_is_another(make, actions, profile_name):
    first = run(make(profile_name, 3, SHORT, seed=4), actions)
    second = run(make(profile_name, 3, [*SHORT, "physics.threads=1"], seed=4), actions)
    other = run(make(profile_name, 3, SHORT, seed=5), actions)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first[:6], other[:6], strict=True))


def test_an_episode_is_the_same_alone_and_beside_others(make, actions, profile_name):
    crowd, alone = make(profile_name, 4, SHORT), make(profile_name, 4, SHORT, begin=False)
    row = torch.tensor([2])
    alone.begin(row, crowd.key[row])
    for step in range(20):
        bins = actions(crowd, step)
        together, apart = crowd.step(bins), alone.step(bins[row], row)
        for name, value in vars(together).items():
            assert torch.equal(value[row], getattr(apart, name)), name
        for name, value in crowd.observe().items():
            assert torch.equal(value[row], alone.observe(row)[name]), name


def test_actions_change_the_state_and_telling_joints_to_stay_does_so_little(make, actions, middle, profile_name):
    still, pushed, other = (make(profile_name, 3, SHORT, plain=True) for _ in range(3))
    for step in range(10):
        still.step(middle(still))
        pushed.step(actions(pushed, step))
        other.step(actions(other, step, seed=1))
    speed = [env.observe()["joint_velocities"].square().sum(dim=1) for env in (still, pushed)]
    assert float(speed[0].mean()) < 0.2 * float(speed[1].mean())
    assert float((pushed.physics.qpos - other.physics.qpos).abs().max()) > 0.1


def test_the_calibrated_hand_told_to_stay_is_nearly_still(make_plain, actions, middle):
    # robogym's bounds on the sum of squared joint speeds after ten steps. The stronger but undamped hand
    # of Gymnasium-Robotics sinks a while longer: told to stay, a joint is sent to where it has sunk to.
    still, pushed = make_plain(6, SHORT), make_plain(6, SHORT)
    for step in range(10):
        still.step(middle(still))
        pushed.step(actions(pushed, step))
    speed = [env.observe()["joint_velocities"].square().sum(dim=1) for env in (still, pushed)]
    assert float(speed[0].max()) < 0.09 < float(speed[1].min())


def test_each_motor_s_action_moves_its_own_joint(make, middle, profile_name):
    up, down = (make(profile_name, 1, SHORT, plain=True) for _ in range(2))
    for actuator in range(up.num_actuators):
        moved = []
        for env, bins in ((up, env_bins(up, middle, actuator, 10)), (down, env_bins(down, middle, actuator, 0))):
            env.begin(torch.arange(1), torch.tensor([77]))
            env.step(bins)
            moved.append(env.physics.ctrl[0].clone())
        difference = (moved[0] - moved[1]).abs()
        if up.physics.scene.anatomy.actuators[actuator] in up.profile.action.hold:
            assert float(difference.max()) == 0.0
            continue
        assert int(difference.argmax()) == actuator
        assert float(difference[actuator]) > 0.05
        assert int((difference > 1e-12).sum()) == 1


def env_bins(env, middle, actuator, value):
    bins = middle(env)
    bins[0, actuator] = value
    return bins

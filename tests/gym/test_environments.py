"""From Gymnasium: the same task, step by step, with its rules for ends, seeds and information."""

import subprocess
import sys

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

import dexctl.gym
from dexctl import randomness
from dexctl.errors import DexctlError
from dexctl.gym.episodes import _EPISODE
from dexctl.physics.cpu import CpuPhysics
from dexctl.profile.load import load
from dexctl.reorient.environment import End, Environment
from dexctl.reorient.observation import concatenate
from dexctl.scene.build import build_scene

# Ten steps, two goals of which a fourth is reached as it is drawn: episodes end in every way.
SHORT = (
    "task.start_random_steps=2",
    "task.start_bank=8",
    "task.start_refresh=2",
    "task.goal_timeout_s=0.8",
    "task.success_rad=1.8",
    "task.redraw_reached=false",
    "task.goals_per_episode=2",
    "physics.threads=1",
)
HANDS = 5
STEPS = 40


@pytest.fixture
def many():
    """Many hands of a profile whose episodes are short."""

    def many(num_envs=HANDS, *settings, **keywords):
        return gymnasium.make_vec(dexctl.gym.BLOCK, num_envs=num_envs, settings=[*SHORT, *settings], **keywords)

    return many


@pytest.fixture
def single():
    """One such hand, bare of Gymnasium's own wrappers."""

    def single(**keywords):
        return gymnasium.make(dexctl.gym.BLOCK, settings=SHORT, **keywords).unwrapped

    return single


def actions(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 11, (STEPS, *shape, 20))


def played(env, shape, seed=3):
    """Everything that a run of random actions returns."""
    told = [env.reset(seed=seed)]
    for action in actions(shape):
        told.append(env.step(action))
        if not shape and (told[-1][2] or told[-1][3]):
            told.append(env.reset())
    return told


def equal(one, other):
    """Whether two such runs are the same to the last bit."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, np.ndarray) and one.dtype == object:
        return equal(one.tolist(), other.tolist())
    return np.array_equal(one, other)


# A position and a velocity have no bounds that could be stated.
@pytest.mark.filterwarnings("ignore:.*infinity:UserWarning")
@pytest.mark.parametrize("observations", ["vector", "dict"])
def test_one_hand_passes_gymnasiums_checker(single, observations):
    check_env(single(observations=observations))


def test_importing_it_imports_neither_torch_nor_mujoco():
    program = "import dexctl.gym, gymnasium, sys; gymnasium.spec('dexctl/Block-v0'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert "gymnasium" in loaded
    assert not {"torch", "mujoco"} & set(loaded)


def test_gymnasium_finds_it_by_the_name_of_its_module():
    program = "import gymnasium; print(gymnasium.make_vec('dexctl.gym:dexctl/Block-v0', num_envs=2).num_envs)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout == "2\n"


@pytest.mark.parametrize("observations", ["vector", "dict"])
def test_what_many_hands_return_lies_in_their_spaces(many, observations):
    env = many(observations=observations)
    assert env.action_space == gymnasium.vector.utils.batch_space(gymnasium.spaces.MultiDiscrete([11] * 20), HANDS)
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    for seen, *_ in played(env, (HANDS,)):
        assert env.observation_space.contains(seen)


def test_names_and_the_vector_are_the_same_numbers(many):
    vector, named = (played(many(observations=kind), (HANDS,)) for kind in ("vector", "dict"))
    for (row, *_), (names, *_) in zip(vector, named, strict=True):
        np.testing.assert_array_equal(row, np.concatenate(list(names.values()), axis=-1))


@pytest.mark.parametrize("profile", ["block-yaw", "block-paper"])
def test_a_seed_repeats_a_run_exactly_in_the_same_environment_and_in_another(many, profile):
    env = many(profile=profile)
    first = played(env, (HANDS,))
    assert equal(first, played(env, (HANDS,)))
    assert equal(first, played(many(profile=profile), (HANDS,)))
    assert not equal(first, played(env, (HANDS,), seed=4))


def test_a_seed_repeats_one_hand_too_and_goes_on_without_one(single):
    env = single()
    first = played(env, ())
    assert equal(first, played(env, ()))
    assert not equal(env.reset(seed=3)[0], env.reset()[0])


def bare(profile, seed, num_hands, bank):
    """The task itself, seeded as Gymnasium's environments are."""
    scene = build_scene(profile)
    physics = CpuPhysics(scene, num_hands + (profile.task.start_refresh if bank else 0), profile.physics)
    env = Environment(profile, scene, physics, num_hands)
    generator, _ = gymnasium.utils.seeding.np_random(seed)
    key = randomness.key(int(generator.integers(2**63 - 1)))
    if bank:
        env.use_bank(key)
    begun = torch.zeros(num_hands, dtype=torch.int64)

    def begin(ids):
        env.begin(ids, randomness.derive(key.expand(len(ids)), _EPISODE, ids, begun[ids]))
        begun[ids] += 1

    begin(torch.arange(num_hands))
    return env, begin


@pytest.mark.parametrize("name", ["block", "block-paper"])
def test_many_hands_are_the_bare_environment_step_by_step(many, name):
    profile = load(name, SHORT, {}).profile
    bank = profile.task.start_bank > 0
    env, begin = bare(profile, 3, HANDS, bank)
    observe = profile.policy.actor.observe
    told = played(many(profile=name), (HANDS,))
    np.testing.assert_array_equal(told[0][0], concatenate(env.perceive(env.observe()), observe))
    ends = set()
    for bins, (seen, reward, terminated, truncated, info) in zip(actions((HANDS,)), told[1:], strict=True):
        step = env.step(torch.from_numpy(bins))
        ended = torch.nonzero(step.end != End.RUNNING)[:, 0]
        ends |= set(step.end.tolist())
        np.testing.assert_array_equal(reward, step.reward)
        np.testing.assert_array_equal(terminated, step.end == End.DROP)
        np.testing.assert_array_equal(truncated, (step.end == End.TIMEOUT) | (step.end == End.FULL))
        assert ("final_obs" in info) == bool(len(ended))
        if len(ended):
            last = concatenate(env.perceive(env.observe()), observe)
            for hand in ended.tolist():
                np.testing.assert_array_equal(info["final_obs"][hand], last[hand])
                assert info["final_info"]["goals"][hand] == step.goals[hand]
                assert info["final_info"]["angle_rad"][hand] == step.angle_rad[hand]
                assert info["final_info"]["end"][hand] == step.end[hand]
            np.testing.assert_array_equal(info["_final_obs"], step.end != End.RUNNING)
            np.testing.assert_array_equal(info["final_info"]["_end"], step.end != End.RUNNING)
            begin(ended)
        np.testing.assert_array_equal(info["goals"], env.goals)
        np.testing.assert_array_equal(info["angle_rad"], env.angle_rad)
        np.testing.assert_array_equal(info["end"], End.RUNNING)
        np.testing.assert_array_equal(seen, concatenate(env.perceive(env.observe()), observe))
    assert ends >= {End.RUNNING, End.TIMEOUT, End.FULL}


def test_a_drop_terminates_and_the_clock_truncates(many):
    env = many(2)
    env.reset(seed=0)
    task = env._episodes.environment
    task.physics.qpos[:, task._scene.object_qpos + 2] = 0.0
    _, _, terminated, truncated, info = env.step(actions((2,))[0])
    assert (terminated.tolist(), truncated.tolist()) == ([True, True], [False, False])
    assert info["final_info"]["end"].tolist() == [End.DROP, End.DROP]
    env = many(2, "task.goal_timeout_s=0.08", "task.success_rad=0.01", "task.drop_height_m=-1.0")
    env.reset(seed=0)
    _, _, terminated, truncated, info = env.step(actions((2,))[0])
    assert (terminated.tolist(), truncated.tolist()) == ([False, False], [True, True])
    assert info["final_info"]["end"].tolist() == [End.TIMEOUT, End.TIMEOUT]


def test_one_hand_is_the_bare_environment_step_by_step(single):
    env, begin = bare(load(dexctl.gym.PROFILE, SHORT, {}).profile, 3, 1, bank=False)
    hand = single()
    hand.reset(seed=3)
    ended = 0
    for bins in actions(()):
        _, reward, terminated, truncated, info = hand.step(bins)
        step = env.step(torch.from_numpy(bins)[None])
        assert (reward, info["goals"], info["end"]) == (step.reward[0], step.goals[0], step.end[0])
        assert (terminated or truncated) == (step.end[0] != End.RUNNING)
        if terminated or truncated:
            ended += 1
            hand.reset()
            begin(torch.arange(1))
    assert ended


def test_what_was_returned_is_not_written_over(many):
    env = many()
    told = [env.reset(seed=1), *(env.step(action) for action in actions((HANDS,))[:3])]
    copies = [[np.array(one) for one in returned[:-1]] for returned in told]
    for action in actions((HANDS,))[3:]:
        env.step(action)
    for returned, copy in zip(told, copies, strict=True):
        assert equal(list(returned[:-1]), copy)


@pytest.mark.parametrize(
    "wrong", [np.full((HANDS, 20), 11), np.full((HANDS, 20), -1), np.zeros((HANDS, 19), int), np.zeros((HANDS, 20))]
)
def test_an_action_outside_of_the_space_is_refused(many, wrong):
    env = many()
    env.reset(seed=0)
    with pytest.raises(ValueError, match="actions"):
        env.step(wrong)


def test_a_step_wants_an_episode(many, single):
    for env, shape in ((many(), (HANDS,)), (single(), ())):
        with pytest.raises(ResetNeeded):
            env.step(actions(shape)[0])


@pytest.mark.parametrize("wrong", [{"observations": "pixels"}, {"profile": "cube"}, {"num_envs": 0}])
def test_what_is_asked_for_wrongly_is_said(wrong):
    with pytest.raises(DexctlError):
        gymnasium.make_vec(dexctl.gym.BLOCK, **wrong)

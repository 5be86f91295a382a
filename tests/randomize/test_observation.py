"""What the policy is shown: noise of readings, and markers out of place."""

import torch

from dexctl import rotation

from .conftest import OFF, acted, begin

ONLY_OBSERVATION = (OFF[0], OFF[2])
MARKERS = ("fingertip_marker_m", "base_marker_m")
NOISE = ("fingertip", "object_position", "object_rotation")
SEEN = ("fingertip_positions", "object_position", "relative_target_orientation")


def quiet(*keys):
    return tuple(f"randomize.observation.{key}=0.0" for key in keys)


def noise_keys(part):
    return [f"{name}_{part}_{'rad' if name == 'object_rotation' else 'm'}" for name in NOISE]


def shown(env):
    truth = env.observe()
    return truth, env.perceive(truth)


def test_the_policy_sees_noise_and_the_value_function_none(make):
    plain, noisy = make(4, OFF), make(4, ONLY_OBSERVATION)
    truth, seen = shown(noisy)
    for name, value in plain.observe().items():
        assert torch.equal(truth[name], value), name
    for name in SEEN:
        assert not bool((seen[name] == truth[name]).all(dim=1).any()), name


def test_what_is_read_stays_between_steps_and_is_read_anew_at_each(make):
    env = make(4, ONLY_OBSERVATION)
    first, again = shown(env)[1], shown(env)[1]
    assert all(torch.equal(first[name], again[name]) for name in SEEN)
    acted(env, 1)
    assert all(not bool((shown(env)[1][name] == first[name]).any()) for name in SEEN)


def test_what_an_episode_keeps_is_the_same_at_every_step_and_another_in_the_next(make):
    env = make(4, (*ONLY_OBSERVATION, *quiet(*noise_keys("step"), *MARKERS)))
    offsets, turns = [], []
    for _ in range(3):
        truth, seen = shown(env)
        offsets.append(torch.cat([seen[name] - truth[name] for name in SEEN[:2]], dim=1))
        turns.append(rotation.difference(seen["object_orientation"], truth["object_orientation"]))
        acted(env, 1)
    torch.testing.assert_close(offsets[1], offsets[0], atol=1e-12, rtol=0)
    torch.testing.assert_close(offsets[2], offsets[0], atol=1e-12, rtol=0)
    torch.testing.assert_close(turns[2], turns[0], atol=1e-12, rtol=0)
    begin(env, seed=1)
    truth, seen = shown(env)
    assert not bool((seen["object_position"] - truth["object_position"] == offsets[0][:, -3:]).any())


def test_what_is_new_at_every_step_is_independent_of_the_step_before(make):
    env = make(200, (*ONLY_OBSERVATION, *quiet(*noise_keys("episode"), *MARKERS)))
    offsets = []
    for _ in range(2):
        truth, seen = shown(env)
        offsets.append((seen["fingertip_positions"] - truth["fingertip_positions"]).flatten())
        acted(env, 1)
    # 3,000 pairs: a spread of 0.018.
    assert abs(float(torch.corrcoef(torch.stack(offsets))[0, 1])) < 4 * 0.0183


def test_the_relative_goal_is_that_of_the_noisy_orientation(make):
    env = make(4, ONLY_OBSERVATION)
    truth, seen = shown(env)
    expected = rotation.difference(truth["target_orientation"], seen["object_orientation"])
    torch.testing.assert_close(seen["relative_target_orientation"], expected, atol=1e-12, rtol=0)
    turned = rotation.angle(rotation.difference(expected, truth["relative_target_orientation"]))
    assert 0.01 < float(turned.min()) < float(turned.max()) < 1.0


def test_a_fingertip_s_marker_out_of_place_moves_all_its_readings_of_the_episode(make):
    silent = quiet(*noise_keys("episode"), *noise_keys("step"))
    env = make(4, (*ONLY_OBSERVATION, *silent, *quiet("base_marker_m")))
    lengths = []
    for _ in range(3):
        truth, seen = shown(env)
        off = (seen["fingertip_positions"] - truth["fingertip_positions"]).unflatten(1, (5, 3))
        lengths.append(off.norm(dim=2))
        acted(env, 1)
    # The finger turns it; it stays as far off.
    torch.testing.assert_close(lengths[2], lengths[0], atol=1e-9, rtol=0)
    assert float(lengths[0].min()) > 1e-5
    assert float(lengths[0].max()) < 0.02


def test_the_base_s_markers_out_of_place_move_all_fingertips_together(make):
    silent = quiet(*noise_keys("episode"), *noise_keys("step"))
    env = make(4, (*ONLY_OBSERVATION, *silent, *quiet("fingertip_marker_m")))
    truth, seen = shown(env)
    true, read = (one["fingertip_positions"].unflatten(1, (5, 3)) for one in (truth, seen))
    assert float((true - read).norm(dim=2).min()) > 1e-5
    # A frame that moved and turned: distances between fingertips are as they are.
    torch.testing.assert_close(torch.cdist(read, read), torch.cdist(true, true), atol=1e-9, rtol=0)


def test_nobody_touches_a_marker_so_the_trajectory_stays(make):
    assert torch.equal(acted(make(4, OFF), 20), acted(make(4, ONLY_OBSERVATION), 20))

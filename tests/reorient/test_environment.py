"""Episodes, step by step: what a step pays, when a goal counts, and every way to end."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from dexctl import randomness, rotation
from dexctl.reorient.environment import End

SHORT = ["task.start_random_steps=3"]


def orientation(env, row):
    at = env._scene.object_qpos
    return Rotation.from_quat(env.physics.qpos[row, at + 3 : at + 7].numpy(), scalar_first=True)


def position(env, row):
    at = env._scene.object_qpos
    return env.physics.qpos[row, at : at + 3].numpy().copy()


def angle_left(env, row, goal=None):
    """Worked out by another library: from the block's orientation to the goal, rad."""
    goal = Rotation.from_quat((env.goal[row] if goal is None else goal).numpy(), scalar_first=True)
    return (goal * orientation(env, row).inv()).magnitude()


def set_goal(env, row, angle):
    """A goal so far away, about the vertical."""
    turn = Rotation.from_rotvec([0.0, 0.0, angle]) * orientation(env, row)
    env.goal[row] = torch.from_numpy(turn.as_quat(scalar_first=True))
    env.angle_rad[row] = angle


def let_fall(env, row):
    """Puts the block below the hand."""
    qpos = env.physics.qpos[row : row + 1].clone()
    qpos[:, env._scene.object_qpos + 2] = -0.5
    env.physics.place(torch.tensor([row]), qpos, env.physics.qvel[row : row + 1].clone())


def test_progress_pays_the_angle_won_in_every_step(make_plain, actions):
    env = make_plain(3, SHORT)
    for step in range(15):
        before = [angle_left(env, row) for row in range(3)]
        done = env.step(actions(env, step))
        for row in range(3):
            assert not done.reached[row]
            after = angle_left(env, row)
            assert float(done.reward[row]) == pytest.approx(before[row] - after, abs=1e-6)
            assert float(done.angle_rad[row]) == pytest.approx(after, abs=1e-6)


def test_shaped_pays_nearness_and_the_place_over_the_palm(make_plain, actions):
    env = make_plain(3, [*SHORT, 'reward.kind="shaped"', "reward.scale=0.01", "reward.distance=-10.0"])
    for step in range(10):
        done = env.step(actions(env, step))
        for row in range(3):
            assert not done.reached[row]
            distance = np.linalg.norm(position(env, row) - [1.0, 0.87, 0.16])
            expected = 0.01 * (1.0 / (angle_left(env, row) + 0.1) - 10.0 * distance)
            assert float(done.reward[row]) == pytest.approx(expected, abs=1e-7)


def test_a_reached_goal_pays_once_and_the_next_is_there_without_paying_for_the_jump(make_plain, middle):
    env = make_plain(3, SHORT)
    set_goal(env, 1, 0.1)
    env.goal_steps[:] = 7
    goal = env.goal.clone()
    done = env.step(middle(env))
    assert done.reached.tolist() == [False, True, False]
    assert done.goals.tolist() == [0, 1, 0]
    assert done.end.tolist() == [End.RUNNING] * 3
    # What the step pays is measured to the goal that held in it.
    assert float(done.reward[1]) == pytest.approx(5.0 + 0.1 - angle_left(env, 1, goal[1]), abs=1e-6)
    assert float(done.angle_rad[1]) == pytest.approx(angle_left(env, 1, goal[1]), abs=1e-6)
    # The next goal is another one, its clock is at zero, those of the others go on.
    assert angle_left(env, 1) >= 0.4
    assert torch.equal(env.goal[[0, 2]], goal[[0, 2]])
    assert env.goal_steps.tolist() == [8, 0, 8]
    before = angle_left(env, 1)
    after = env.step(middle(env))
    assert not after.reached[1]
    assert float(after.reward[1]) == pytest.approx(before - angle_left(env, 1), abs=1e-6)
    assert abs(float(after.reward[1])) < 0.1


def test_a_goal_counts_from_the_stated_angle_on(make_plain, middle):
    env = make_plain(2, SHORT)
    for _ in range(20):
        env.step(middle(env))
    for row, angle in enumerate((0.39, 0.41)):
        set_goal(env, row, angle)
    assert env.step(middle(env)).reached.tolist() == [True, False]


def test_goals_of_an_episode_differ_and_depend_on_its_key(make_plain, middle):
    runs = []
    for seed in (3, 3, 4):
        env = make_plain(1, SHORT, seed=seed)
        goals = []
        for _ in range(6):
            goals.append(env.goal[0].clone())
            env.goal[0] = env.observe()["object_orientation"][0]
            env.step(middle(env))
        runs.append(torch.stack(goals))
    assert torch.equal(runs[0], runs[1])
    apart = rotation.angle(rotation.difference(runs[0][:, None], runs[0][None]))
    assert float(apart[~torch.eye(6, dtype=torch.bool)].min()) > 0.01
    assert float(rotation.angle(rotation.difference(runs[0], runs[2])).min()) > 1e-3


def test_the_last_goal_ends_the_episode(make_plain, middle):
    env = make_plain(2, [*SHORT, "task.goals_per_episode=3"])
    for count in (1, 2, 3):
        set_goal(env, 0, 0.05)
        done = env.step(middle(env))
        assert int(done.goals[0]) == count
        assert int(done.end[0]) == (End.FULL if count == 3 else End.RUNNING)
    assert float(done.reward[0]) > 4.0
    assert int(done.end[1]) == End.RUNNING


def test_dropping_costs_and_ends_the_episode(make_plain, middle):
    env = make_plain(2, SHORT)
    set_goal(env, 1, 0.05)
    let_fall(env, 1)
    before = angle_left(env, 1)
    done = env.step(middle(env))
    assert done.end.tolist() == [End.RUNNING, End.DROP]
    # What falls past its goal has not reached it.
    assert not done.reached.any()
    assert int(done.goals[1]) == 0
    assert float(done.reward[1]) == pytest.approx(-20.0 + before - angle_left(env, 1), abs=1e-6)


@pytest.mark.parametrize(("option", "seconds"), [({}, 8.0), ({"goal_timeout_s": 0.8}, 0.8)])
def test_time_runs_out_goal_by_goal(make_plain, middle, option, seconds):
    env = make_plain(2, SHORT, **option)
    steps = round(seconds / 0.08)
    env.goal_steps[:] = torch.tensor([steps - 2, 0])
    assert float(env.observe()["time_left"][0]) == pytest.approx(2 / steps)
    assert env.step(middle(env)).end.tolist() == [End.RUNNING] * 2
    assert env.step(middle(env)).end.tolist() == [End.TIMEOUT, End.RUNNING]
    assert float(env.observe()["time_left"][0]) == 0.0


def test_a_goal_reached_in_the_last_step_counts(make_plain, middle):
    env = make_plain(1, SHORT)
    env.goal_steps[:] = 99
    set_goal(env, 0, 0.05)
    done = env.step(middle(env))
    assert (int(done.end[0]), bool(done.reached[0]), int(env.goal_steps[0])) == (End.RUNNING, True, 0)


def test_evaluation_may_ask_for_other_times_and_numbers_of_goals(make_plain, middle):
    env = make_plain(1, SHORT, goal_timeout_s=80.0, goals_per_episode=1)
    env.goal_steps[:] = 998
    assert env.step(middle(env)).end.tolist() == [End.RUNNING]
    set_goal(env, 0, 0.05)
    assert env.step(middle(env)).end.tolist() == [End.FULL]


def test_a_broken_simulation_ends_its_episode_alone_and_pays_nothing(make_plain, actions):
    env, twin = make_plain(3, SHORT), make_plain(3, SHORT)
    env.physics.qpos[1, 3] = float("nan")
    done, whole = env.step(actions(env, 0)), twin.step(actions(twin, 0))
    assert done.end.tolist() == [End.RUNNING, End.ERROR, End.RUNNING]
    assert float(done.reward[1]) == 0.0
    assert not done.reached[1]
    rest = torch.tensor([0, 2])
    assert all(torch.equal(value[rest], getattr(whole, name)[rest]) for name, value in vars(done).items())
    env.begin(torch.tensor([1]), torch.tensor([123]))
    after = env.step(actions(env, 1))
    assert after.end.tolist() == [End.RUNNING] * 3
    assert all(bool(torch.isfinite(value).all()) for value in env.observe().values())


def test_beginning_anew_forgets_the_episode_before(make_plain, actions):
    env, fresh = make_plain(2, SHORT), make_plain(2, SHORT, begin=False)
    for step in range(8):
        env.step(actions(env, step))
    key, row = torch.tensor([99]), torch.tensor([1])
    for one in (env, fresh):
        one.begin(row, key)
    assert (int(env.steps[1]), int(env.goals[1]), int(env.goal_steps[1])) == (0, 0, 0)
    for step in range(5):
        bins = actions(env, step, rows=row)
        ours, theirs = env.step(bins, row), fresh.step(bins, row)
        assert all(torch.equal(value, getattr(theirs, name)) for name, value in vars(ours).items())


def test_the_hand_s_targets_are_the_smoothed_actions_about_where_its_joints_are(make_plain, actions):
    env = make_plain(2, SHORT)
    low, high = torch.from_numpy(env._scene.model.actuator_ctrlrange.T.copy())
    past = torch.zeros(2, 20, dtype=torch.float64)
    for step in range(5):
        length = env.physics.actuator_length.clone()
        bins = actions(env, step)
        env.step(bins)
        past = 0.3 * past + 0.7 * (bins.double() / 5.0 - 1.0)
        smooth = past / (1 - 0.3 ** (step + 1))
        expected = (length + smooth * 0.5 * (high - low)).clamp(low, high)
        torch.testing.assert_close(env.physics.ctrl[:2], expected)


def test_the_control_period_is_that_of_the_paper(make_plain):
    assert make_plain(1, SHORT).control_period_s == pytest.approx(0.08)
    assert math.isclose(make_plain(1, [*SHORT, "physics.substeps=5"]).control_period_s, 0.04)


def test_episodes_of_other_keys_start_and_aim_elsewhere(make_plain):
    env = make_plain(6, SHORT)
    assert len({tuple(row) for row in env.goal.tolist()}) == 6
    assert len({tuple(row) for row in env.physics.qpos.tolist()}) == 6
    keys = env.key.clone()
    env.begin(torch.arange(6), randomness.derive(keys, 1))
    assert not bool((env.key == keys).any())


@pytest.mark.parametrize("gains", ["2018", "gym"])
def test_a_locked_wrist_stays_near_its_angle_in_play_whatever_its_limits_are_moved_to(make, actions, gains):
    settings = [*SHORT, f'hand.gains="{gains}"']
    locked, free = (make(name, 24, settings) for name in ("table3/locked-wrist", "ablation/all"))
    wrist = locked.physics.scene.anatomy.joints.index("WRJ0")
    motor = locked.physics.scene.anatomy.actuators.index("A_WRJ0")
    angles = []
    for step in range(25):
        for env in (locked, free):
            env.step(actions(env, step))
        assert not bool(locked.physics.ctrl[:, motor].any())
        angles.append(torch.stack([env.physics.qpos[:, wrist] for env in (locked, free)]))
    held, moving = torch.stack(angles).unbind(1)
    # What the hand weighs bends it; robogym locks the wrist by the same motor.
    assert float(held.abs().max()) < 0.15
    assert float(held[5:].std(dim=0).max()) < 0.03 < float(moving[5:].std(dim=0).mean())
    assert float(moving.abs().mean()) > 2 * float(held.abs().mean())
    # Some episodes of the free hand cannot even be told to go there.
    zero = free.randomization.dynamics.control_range[:, motor]
    assert gains == "gym" or bool(((zero[:, 0] > 0) | (zero[:, 1] < 0)).any())

"""Goals: distributed as their kind says, from their own key alone, and never one that is already reached."""

import math

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dexctl import randomness, rotation
from dexctl.profile.load import load
from dexctl.reorient.goals import next_goal, sample_orientation

TASK = load("block", (), {}).profile.task
KINDS = ("so3", "face-up", "yaw")
# A KS test of this size and level misses a distribution function that is off by 0.03 less than once in
# a thousand times, and rejects a right one once in ten thousand.
SAMPLES, LEVEL = 20_000, 1e-4
UP = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)


def keys(count, seed=0):
    return randomness.derive(randomness.key(seed).expand(count), torch.arange(count))


def axes(q):
    """Where the block's own axes point: (N, 3, 3), one a row."""
    return rotation.rotate(q[:, None], torch.eye(3, dtype=torch.float64).expand(len(q), 3, 3))


@pytest.mark.parametrize("kind", KINDS)
def test_goals_are_rotations_with_w_not_negative(kind):
    q = sample_orientation(kind, keys(SAMPLES))
    assert q.shape == (SAMPLES, 4)
    torch.testing.assert_close(q.norm(dim=1), torch.ones(SAMPLES, dtype=torch.float64))
    assert float(q[:, 0].min()) >= 0.0


def test_yaw_goals_stand_upright_with_any_yaw():
    q = sample_orientation("yaw", keys(SAMPLES))
    torch.testing.assert_close(rotation.rotate(q, UP.expand(SAMPLES, 3)), UP.expand(SAMPLES, 3))
    ahead = axes(q)[:, 0].numpy()
    yaw = np.arctan2(ahead[:, 1], ahead[:, 0])
    assert stats.kstest(yaw, "uniform", (-math.pi, 2 * math.pi)).pvalue > LEVEL


def test_face_up_goals_show_each_face_as_often_with_any_yaw():
    q = sample_orientation("face-up", keys(SAMPLES))
    heights = axes(q)[:, :, 2]
    faces = heights.abs().argmax(dim=1) * 2 + (heights.sum(dim=1) < 0)
    torch.testing.assert_close(heights.abs().amax(dim=1), torch.ones(SAMPLES, dtype=torch.float64))
    assert stats.chisquare(torch.bincount(faces, minlength=6).numpy()).pvalue > LEVEL
    for face in range(6):
        shown = axes(q[faces == face])
        beside = shown[:, (face // 2 + 1) % 3].numpy()
        yaw = np.arctan2(beside[:, 1], beside[:, 0])
        assert stats.kstest(yaw, "uniform", (-math.pi, 2 * math.pi)).pvalue > LEVEL


def test_goals_of_the_prism_show_each_of_its_ten_faces_as_often_with_any_yaw():
    q = sample_orientation("face-up", keys(SAMPLES), "prism")
    angles = torch.arange(8, dtype=torch.float64) * (math.pi / 4)
    sides = torch.stack((angles.cos(), angles.sin(), torch.zeros_like(angles)), dim=1)
    normals = torch.cat((sides, UP[None], -UP[None]))
    heights = rotation.rotate(q[:, None], normals.expand(SAMPLES, 10, 3))[..., 2]
    faces = heights.argmax(dim=1)
    torch.testing.assert_close(heights.amax(dim=1), torch.ones(SAMPLES, dtype=torch.float64))
    assert stats.chisquare(torch.bincount(faces, minlength=10).numpy()).pvalue > LEVEL
    for face in range(10):
        # An end's neighbour is a side, a side's the end.
        beside = normals[8 if face < 8 else 0].expand(int((faces == face).sum()), 3)
        ahead = rotation.rotate(q[faces == face], beside).numpy()
        yaw = np.arctan2(ahead[:, 1], ahead[:, 0])
        assert stats.kstest(yaw, "uniform", (-math.pi, 2 * math.pi)).pvalue > LEVEL


def test_an_environment_of_the_prism_aims_at_its_faces(make):
    env = make("prism", 64, ["task.start_random_steps=3"])
    assert env.profile.task.goal == "face-up"
    angles = torch.arange(8, dtype=torch.float64) * (math.pi / 4)
    sides = torch.stack((angles.cos(), angles.sin(), torch.zeros_like(angles)), dim=1)
    heights = rotation.rotate(env.goal[:, None], sides.expand(64, 8, 3))[..., 2].amax(dim=1)
    ends = rotation.rotate(env.goal, UP.expand(64, 3))[:, 2].abs()
    torch.testing.assert_close(torch.maximum(heights, ends), torch.ones(64, dtype=torch.float64))
    # A cube's goals never have up the sides that lie between its own.
    slanted = rotation.rotate(env.goal[:, None], sides[1::2].expand(64, 4, 3))[..., 2].amax(dim=1)
    assert int((slanted > 0.999).sum()) >= 10


def test_any_rotation_is_as_likely_as_another():
    angle = rotation.angle(sample_orientation("so3", keys(SAMPLES))).numpy()
    assert stats.kstest(angle, lambda x: (x - np.sin(x)) / math.pi).pvalue > LEVEL


@pytest.mark.parametrize("kind", KINDS)
def test_no_goal_is_already_reached(kind):
    task = msgspec.structs.replace(TASK, goal=kind)
    for current in (sample_orientation("yaw", keys(SAMPLES, 1)), sample_orientation("face-up", keys(SAMPLES, 2))):
        goal = next_goal(task, keys(SAMPLES), current)
        assert float(rotation.angle(rotation.difference(goal, current)).min()) >= TASK.success_rad


def test_a_reached_goal_is_drawn_again_only_when_the_profile_says_so():
    current = sample_orientation("yaw", keys(SAMPLES, 1))
    task = msgspec.structs.replace(TASK, goal="yaw", redraw_reached=False)
    angle = rotation.angle(rotation.difference(next_goal(task, keys(SAMPLES), current), current))
    # Upright, 0.8 rad of the whole turn are reached already.
    assert float((angle < 0.4).double().mean()) == pytest.approx(0.8 / (2 * math.pi), abs=0.01)


def test_drawing_again_leaves_the_goals_that_stand_as_they_are():
    current = sample_orientation("yaw", keys(SAMPLES, 1))
    first, again = (
        next_goal(msgspec.structs.replace(TASK, goal="yaw", redraw_reached=redraw), keys(SAMPLES), current)
        for redraw in (False, True)
    )
    reached = rotation.angle(rotation.difference(first, current)) < TASK.success_rad
    assert torch.equal(first[~reached], again[~reached])
    # What is drawn in its place is as uniform as the rest: over all that is not reached.
    left = rotation.angle(rotation.difference(again, current)).numpy()
    assert stats.kstest(left, "uniform", (0.4, math.pi - 0.4)).pvalue > LEVEL


@given(st.integers(0, 2**60), st.sampled_from(KINDS), st.integers(0, 9))
def test_a_goal_depends_on_its_own_key_and_block_alone(seed, kind, row):
    task = msgspec.structs.replace(TASK, goal=kind)
    key, current = keys(10, seed), sample_orientation("yaw", keys(10, seed + 1))
    together = next_goal(task, key, current)
    assert torch.equal(next_goal(task, key[row : row + 1], current[row : row + 1])[0], together[row])


def test_the_nearest_of_several_goals_is_taken_and_one_of_one_is_the_paper_s():
    current = sample_orientation("face-up", keys(SAMPLES, 2))

    def left(nearest_of):
        goal = next_goal(TASK, keys(SAMPLES), current, nearest_of=nearest_of)
        return rotation.angle(rotation.difference(goal, current))

    one, four = left(1), left(4)
    assert float(four.min()) >= TASK.success_rad
    assert bool((four <= one).all())
    # Of four independent ones the least: 1 - (1 - F)^4.
    for angle in (0.8, 1.2, 1.6, 2.0):
        share = float((one < angle).double().mean())
        assert float((four < angle).double().mean()) == pytest.approx(1.0 - (1.0 - share) ** 4, abs=0.02)

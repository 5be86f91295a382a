"""Markers that are not seen: lost for their time, or hidden by what is at the nail."""

import msgspec
import numpy as np
import pytest
import torch
from scipy import stats

from dexctl.physics.cpu import CpuPhysics
from dexctl.profile.distribution import Distribution
from dexctl.profile.load import load
from dexctl.randomize.markers import Loss, Occlusion

from .conftest import LEVEL, OFF, acted, alone, scene_for

UNMODELED = load("block-paper", (), {}).profile.randomize.unmodeled
PERIOD_S = 0.08
ONE = torch.arange(1)
OCCLUSION = (*OFF[:2], *alone("occlusion"))


def clock(step, markers=5):
    """Readings that tell when they were taken."""
    return torch.full((1, markers, 3), float(step), dtype=torch.float64)


def played(loss, steps, key=7):
    """What is shown of each marker over steps, (steps, F): the time it was read."""
    loss.begin(ONE, clock(0))
    shown = []
    for step in range(1, steps):
        new = loss.step(torch.tensor([key]), torch.tensor([step]))
        shown.append(loss.update(ONE, new, clock(step))[0, :, 0])
    return torch.stack(shown)


def test_a_lost_marker_holds_its_last_reading_for_a_second_and_returns():
    shown = played(Loss(UNMODELED.marker_loss, PERIOD_S, 1, 5), 2000)
    now = torch.arange(1, 2000, dtype=torch.float64)[:, None]
    lost = shown < now
    assert 0.1 < float(lost.double().mean()) < 0.3
    # While it is lost its reading stands still, and when it is not, it is the newest.
    assert torch.equal(shown[1:][lost[1:]], shown[:-1][lost[1:]])
    assert torch.equal(shown[~lost], now.expand_as(shown)[~lost])
    for marker in range(5):
        seen = torch.nonzero(~lost[:, marker])[:, 0]
        gaps = (seen[1:] - seen[:-1] - 1).tolist()
        assert {12, 13} <= set(gaps)
        # Lost again at the very step of its return, a marker stays away twice as long, or more.
        assert all(gap == 0 or any(12 * times <= gap <= 13 * times for times in range(1, 5)) for gap in gaps)


def test_markers_are_lost_one_by_one():
    shown = played(Loss(UNMODELED.marker_loss, PERIOD_S, 1, 5), 2000)
    lost = (shown < torch.arange(1, 2000, dtype=torch.float64)[:, None]).double()
    apart = torch.corrcoef(lost.T) - torch.eye(5)
    # A loss lasts 12.5 steps: 160 independent pieces, a spread of 0.08.
    assert float(apart.abs().max()) < 4 * 0.08


def test_a_marker_that_is_never_lost_shows_every_reading():
    never = msgspec.structs.replace(UNMODELED.marker_loss, probability_per_s=0.0)
    shown = played(Loss(never, PERIOD_S, 1, 5), 300)
    assert torch.equal(shown, torch.arange(1, 300, dtype=torch.float64)[:, None].expand(299, 5))


def test_an_episode_begins_with_every_marker_in_sight():
    always = msgspec.structs.replace(UNMODELED.marker_loss, probability_per_s=0.999999999)
    loss = Loss(always, PERIOD_S, 1, 5)
    loss.begin(ONE, clock(0))
    loss.update(ONE, loss.step(ONE, ONE), clock(1))
    assert bool((loss.left > 0).any())
    assert torch.equal(loss.begin(ONE, clock(9)), clock(9))
    assert not bool(loss.left.any())


@pytest.fixture
def covered():
    """A simulation with the block at the back of the first finger's nail, and one with it far away."""
    scene = scene_for(OCCLUSION)
    profile = load("block-paper", OCCLUSION, {}).profile
    physics = CpuPhysics(scene, 2, profile.physics)
    qpos = torch.from_numpy(scene.model.qpos0.copy()).repeat(2, 1)
    nail = physics.site_position[0, scene.fingertip_sites[0]]
    at = scene.object_qpos
    # The box reaches 18 mm above the bone's middle, the marker sits at 4 mm; half of the block is 28.5 mm.
    away = torch.tensor([0.0, 0.0, 0.5], dtype=torch.float64)
    qpos[0, at : at + 3] = nail - torch.tensor([0.0, 0.0, 0.0355], dtype=torch.float64)
    qpos[1, at : at + 3] = nail + away
    physics.place(torch.arange(2), qpos, torch.zeros(2, scene.model.nv, dtype=torch.float64))
    return physics, scene, Occlusion(UNMODELED.occlusion, scene, physics, 2)


def test_a_nail_with_something_at_it_hides_its_marker_until_it_is_gone(covered):
    physics, _, occlusion = covered
    both = torch.arange(2)
    hidden = occlusion.hidden(both)
    assert bool(hidden[0, 0])
    assert not bool(hidden[1].any())
    first = torch.rand(2, 5, 3, dtype=torch.float64)
    occlusion.begin(both, first)
    shown = occlusion.update(both, first + 1)
    assert torch.equal(shown[0, 0], first[0, 0])
    assert torch.equal(shown[1], first[1] + 1)
    free = physics.qpos.clone()
    free[0] = free[1]
    physics.place(both, free, torch.zeros_like(physics.qvel))
    assert not bool(occlusion.hidden(both).any())
    assert torch.equal(occlusion.update(both, first + 2), first + 2)


def test_a_box_that_hides_a_marker_pushes_nothing_and_weighs_nothing(covered):
    physics, scene, _ = covered
    plain = scene_for(tuple(OFF))
    assert float(scene.model.body_mass.sum()) == float(plain.model.body_mass.sum())
    bare = CpuPhysics(plain, 2, load("block-paper", OFF, {}).profile.physics)
    bare.place(torch.arange(2), physics.qpos.clone(), torch.zeros_like(physics.qvel))
    for _ in range(20):
        physics.step()
        bare.step()
        assert torch.equal(physics.qpos, bare.qpos)
        assert torch.equal(physics.qvel, bare.qvel)


def test_in_an_episode_hidden_markers_stand_still_and_the_trajectory_stays(make):
    plain, occluded = make(16, OFF), make(16, OCCLUSION)
    hold = occluded.randomization.occlusion
    before, stood, moved = occluded.perceive(occluded.observe())["fingertip_positions"], 0, 0
    for step in range(40):
        assert torch.equal(acted(plain, 1, seed=step), acted(occluded, 1, seed=step))
        truth = occluded.observe()
        seen = occluded.perceive(truth)["fingertip_positions"]
        hidden = hold.hidden(torch.arange(16)).repeat_interleave(3, dim=1)
        assert torch.equal(seen[hidden], before[hidden])
        assert torch.equal(seen[~hidden], truth["fingertip_positions"][~hidden])
        stood, moved, before = stood + int(hidden.sum()), moved + int((~hidden).sum()), seen
    assert stood > 0
    assert moved > stood


def test_markers_of_one_simulation_are_lost_without_regard_to_those_of_another():
    count, steps = 400, 50
    loss, ids = Loss(UNMODELED.marker_loss, PERIOD_S, count, 5), torch.arange(400)
    loss.begin(ids, torch.zeros(count, 5, 3, dtype=torch.float64))
    away = torch.zeros(count, 5, dtype=torch.float64)
    for step in range(1, steps):
        new = loss.step(ids, torch.full_like(ids, step))
        shown = loss.update(ids, new, torch.full((count, 5, 3), float(step), dtype=torch.float64))
        away += shown[..., 0] < step
    across = torch.corrcoef(torch.cat((away[1:], away[:-1]), dim=1).T) - torch.eye(10)
    assert float(across.abs().max()) < 4.5 / (count - 1) ** 0.5


def test_a_loss_lasts_as_long_as_the_exponential_says():
    settings = msgspec.structs.replace(
        UNMODELED.marker_loss, probability_per_s=1 - 1e-15, seconds=Distribution(exponential=1.0)
    )
    count = 4000
    loss, ids = Loss(settings, 10.0, count, 5), torch.arange(4000)
    loss._period_s = PERIOD_S
    loss.begin(ids, torch.zeros(count, 5, 3, dtype=torch.float64))
    shown = loss.update(ids, loss.step(ids, ids), torch.ones(count, 5, 3, dtype=torch.float64))
    lost = shown[..., 0] == 0
    steps = torch.where(lost, loss.left + 1, 0).flatten().numpy()
    # A time of x steps becomes the whole number below x + u: at least k with the mean over u of exp(-(k - u) rate).
    at_least = np.exp(-PERIOD_S * np.arange(1, 41)) * np.expm1(PERIOD_S) / PERIOD_S
    share = -np.diff(np.concatenate(([1.0], at_least, [0.0])))
    found = np.bincount(np.minimum(steps, 40), minlength=41)
    assert stats.chisquare(found, share * found.sum()).pvalue > LEVEL


def test_a_neighbour_hides_a_marker_from_as_far_as_the_profile_says():
    scene = scene_for((*OCCLUSION, "randomize.unmodeled.occlusion.distance_m=0.005"))
    profile = load("block-paper", OCCLUSION, {}).profile
    physics = CpuPhysics(scene, 3, profile.physics)
    near, touching = (
        Occlusion(msgspec.structs.replace(UNMODELED.occlusion, distance_m=distance), scene, physics, 3)
        for distance in (0.005, -0.0001)
    )
    qpos = torch.from_numpy(scene.model.qpos0.copy()).repeat(3, 1)
    nail, at = physics.site_position[0, scene.fingertip_sites[0]], scene.object_qpos
    # The box reaches to 14 mm below the marker; the block's upper side is 1 mm into it, 3 mm and 8 mm below it.
    for row, gap in enumerate((-0.001, 0.003, 0.008)):
        qpos[row, at : at + 3] = nail - torch.tensor([0.0, 0.0, 0.0285 + 0.014 + gap], dtype=torch.float64)
    physics.place(torch.arange(3), qpos, torch.zeros(3, scene.model.nv, dtype=torch.float64))
    rows = torch.arange(3)
    assert near.hidden(rows)[:, 0].tolist() == [True, True, False]
    assert touching.hidden(rows)[:, 0].tolist() == [True, False, False]
    # Near is not touching: nothing pushes.
    before = physics.qvel.clone()
    physics.step()
    fallen = (physics.qvel - before)[1:, scene.object_dof : scene.object_dof + 3]
    torch.testing.assert_close(fallen[0], fallen[1], atol=1e-9, rtol=0)

"""Uneven time steps and pushes on the object."""

import msgspec
import pytest
import torch

from dexctl.profile.load import load
from dexctl.randomize.disturbance import Timing

from .conftest import OFF, acted, alone, begin

PERIOD_S, DECAY = 0.08, 0.99
TIMING = (*OFF[:2], *alone("timing"))
FORCE = (*OFF[:2], *alone("force"))


def test_steps_are_only_ever_longer_anew_at_each_and_at_a_rate_that_the_episode_keeps(make):
    env = make(64, TIMING)
    rate, steps = env.randomization.timing.rate_per_s.clone(), []
    for _ in range(4):
        acted(env, 1)
        steps.append(env.physics.model_field("opt.timestep").clone())
    extra = torch.stack(steps) - env.profile.physics.timestep_s
    assert bool((extra > 0).all())
    assert not bool((extra[1:] == extra[:-1]).any())
    assert torch.equal(env.randomization.timing.rate_per_s, rate)
    # Slow rates mean long steps: the mean extra time is 0.1 to 0.8 ms (appendix C.2.5).
    slow = rate < rate.median()
    assert float(extra[:, slow].mean()) > 1.5 * float(extra[:, ~slow].mean())
    begin(env, seed=1)
    assert not bool((env.randomization.timing.rate_per_s == rate).any())


def test_a_start_is_played_at_the_plain_time_step(make):
    env = make(3, TIMING)
    acted(env, 1)
    env.randomization.begin(torch.tensor([1]), torch.tensor([9]))
    steps = env.physics.model_field("opt.timestep")
    assert float(steps[1]) == env.profile.physics.timestep_s
    assert bool((steps[[0, 2]] > env.profile.physics.timestep_s).all())


def test_time_passes_as_fast_as_the_steps_say(make):
    env = make(2, TIMING)
    before = env.physics.batch.bind("time").copy()
    acted(env, 1)
    lasted = torch.from_numpy(env.physics.batch.bind("time") - before).flatten()
    torch.testing.assert_close(lasted, 10 * env.physics.model_field("opt.timestep"), rtol=1e-9, atol=0)


def always_pushed(make, *settings, count=3):
    return make(count, (*FORCE, "randomize.unmodeled.force.probability=1.0", *settings))


def test_a_push_fades_and_a_new_one_takes_its_place(make):
    env = make(2, (*FORCE, "randomize.unmodeled.force.probability=0.0"))
    force = env.randomization.force
    force.force[:] = torch.tensor([0.5, -0.25, 1.0])
    rows = torch.arange(2)
    for step in range(1, 4):
        force.apply(rows, force.step(env.key, torch.full((2,), step)))
        torch.testing.assert_close(force.force, DECAY**step * torch.tensor([[0.5, -0.25, 1.0]] * 2).double())
    force.probability[:] = 1.0
    force.apply(rows, force.step(env.key, torch.full((2,), 4)))
    faded = force.force.clone()
    force.apply(rows, force.step(env.key, torch.full((2,), 5)))
    assert not bool((force.force == DECAY * faded).any())


def test_a_push_acts_on_the_object_alone_and_turns_nothing(make):
    env = always_pushed(make)
    acted(env, 1)
    applied, body = env.physics.applied_force, env.physics.scene.object_body
    assert torch.equal(applied[:, body, :3], env.randomization.force.force)
    assert bool((applied[:, body, :3] != 0).all())
    assert float(applied[:, body, 3:].abs().max()) == 0
    others = [index for index in range(applied.shape[1]) if index != body]
    assert float(applied[:, others].abs().max()) == 0


def test_a_push_is_as_strong_as_the_object_is_heavy(make):
    settings = (*OFF[1:2], *alone("force"), "randomize.unmodeled.force.probability=1.0")
    settings = (*settings, "randomize.unmodeled.force.acceleration_m_s2=2.0")
    env = make(5, (*settings, *(f"randomize.physics.{key}=1.0" for key in ("object_scale", "friction"))))
    acted(env, 1)
    mass = env.physics.model_field("body_mass")[:, env.physics.scene.object_body]
    assert float(mass.std()) > 0.001
    torch.testing.assert_close(env.randomization.force.force, (2.0 * mass)[:, None].expand(5, 3))


def test_pushes_come_as_often_as_the_episode_says(make):
    env = make(200, FORCE)
    force, rows, hits = env.randomization.force, torch.arange(200), 0
    force.probability[:] = 0.05
    for step in range(100):
        faded = DECAY * force.force
        force.apply(rows, force.step(env.key, torch.full((200,), step)))
        hits += int((force.force != faded).any(dim=1).sum())
    # 20,000 trials: a spread of 31 around a thousand.
    assert hits == pytest.approx(1000, abs=4 * 31)


def test_an_episode_begins_unpushed(make):
    env = always_pushed(make)
    acted(env, 2)
    begin(env, seed=1)
    assert float(env.randomization.force.force.abs().max()) == 0
    assert float(env.physics.applied_force.abs().max()) == 0


def test_steps_of_either_sign_are_as_far_off_and_never_below_a_tenth():
    paper = load("block-paper", (), {}).profile.randomize.unmodeled.timing
    keys, rows, timestep_s = torch.arange(2000) * 7919, torch.arange(2000), 0.008
    extra = {}
    for sign in ("longer", "either"):
        live = torch.zeros(2000, dtype=torch.float64)
        timing = Timing(msgspec.structs.replace(paper, sign=sign), timestep_s, Steps(live), 2000)
        timing.begin(rows, timing.episode(keys))
        timing.apply(rows, timing.step(keys, rows))
        extra[sign] = live - timestep_s
    torch.testing.assert_close(extra["either"].abs(), extra["longer"])
    # 2,000 coins: a spread of 22.
    assert int((extra["either"] < 0).sum()) == pytest.approx(1000, abs=4.5 * 22)
    live = torch.zeros(2000, dtype=torch.float64)
    timing = Timing(msgspec.structs.replace(paper, sign="either", rate_per_s=50.0), timestep_s, Steps(live), 2000)
    timing.begin(rows, timing.episode(keys))
    timing.apply(rows, timing.step(keys, rows))
    assert float(live.min()) == pytest.approx(0.1 * timestep_s)


class Steps:
    """Physics of which nothing is asked but its time steps."""

    def __init__(self, live):
        self._live = live

    def model_field(self, name):
        assert name == "opt.timestep"
        return self._live


def test_how_often_an_object_is_pushed_stays_for_the_episode_and_is_another_in_the_next(make):
    env = make(3, FORCE)
    before = env.randomization.force.probability.clone()
    acted(env, 3)
    assert torch.equal(env.randomization.force.probability, before)
    begin(env, seed=1)
    assert not bool((env.randomization.force.probability == before).any())

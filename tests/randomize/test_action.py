"""What happens to actions: noise, delay, and backlash by a table worked by hand."""

import math

import msgspec
import pytest
import torch

from dexctl.profile.load import load
from dexctl.randomize.action import Backlash, Delay, Noise

from .conftest import OFF, acted, alone, assert_drawn_from, begin

UNMODELED = load("block-paper", (), {}).profile.randomize.unmodeled
PERIOD_S = 0.08
BOTH = torch.arange(2)
KEYS = torch.tensor([3, 4])
MANY = torch.arange(1000) * 7919


def backlash(*speeds_per_s):
    """One simulation whose actuators have these speeds of slack, inward and outward."""
    logs = torch.log(torch.tensor(speeds_per_s, dtype=torch.float64)).tolist()
    effect = Backlash(msgspec.structs.replace(UNMODELED.backlash, log_factor=1.0), logs, PERIOD_S, 1)
    effect.begin(torch.tensor([0]), effect.episode(KEYS[:1]))
    return effect


# Speeds of 10/s inward and 4/s outward: a full step takes up 0.8 or 0.32 of the slack's two halves.
# Action, what is left of it, and where the slack is afterwards; 0.04 = 1 - 0.96 is an eighth of 0.32.
TABLE = [
    (1.0, 0.0, 0.32),
    (1.0, 0.0, 0.64),
    (1.0, 0.0, 0.96),
    (1.0, 0.875, 1.0),
    (1.0, 1.0, 1.0),
    (0.0, 0.0, 1.0),
    (0.5, 0.5, 1.0),
    (-1.0, 0.0, 0.2),
    (-1.0, 0.0, -0.6),
    (-1.0, -0.5, -1.0),
    (-0.25, -0.25, -1.0),
    (0.5, 0.0, -0.84),
    (5e-6, 0.0, -0.84),
    (-0.5, -0.3, -1.0),
]


def test_backlash_follows_the_table():
    effect = backlash((10.0, 4.0))
    for action, left, slack in TABLE:
        out = effect.apply(torch.tensor([0]), torch.tensor([[action]], dtype=torch.float64))
        assert float(out) == pytest.approx(left, abs=1e-9)
        assert float(effect.slack) == pytest.approx(slack, abs=1e-12)


def test_the_worst_finger_takes_seven_steps_to_reverse_and_a_tight_one_loses_a_third_of_a_step():
    # Appendix C.2.6: speeds of 3.5 and of 70 per second.
    effect = backlash((3.5, 3.5), (70.0, 70.0))
    effect.slack[:] = -1.0
    forward = torch.ones(1, 2, dtype=torch.float64)
    moved = torch.stack([effect.apply(torch.tensor([0]), forward)[0] for _ in range(9)])
    assert (moved[:, 0] == 0).sum() == 7
    assert float(moved[0, 1]) == pytest.approx(1 - 2 / (70 * PERIOD_S))
    assert torch.all(moved[1:, 1] == 1)


def test_slack_is_in_its_middle_when_an_episode_begins():
    effect = backlash((10.0, 4.0))
    effect.apply(torch.tensor([0]), torch.ones(1, 1, dtype=torch.float64))
    effect.begin(torch.tensor([0]), effect.episode(KEYS[:1]))
    assert float(effect.slack) == 0.0


def test_a_late_actuator_does_what_it_was_told_one_step_before_and_the_others_what_they_are_told():
    effect = Delay(UNMODELED.delay, 2, 20)
    effect.begin(BOTH, effect.episode(KEYS))
    told = torch.rand(6, 2, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    done = torch.stack([effect.apply(BOTH, one) for one in told])
    late = effect.late
    assert 0 < int(late.sum()) < late.numel()
    assert torch.equal(done[:, ~late], told[:, ~late])
    assert torch.equal(done[1:, late], told[:-1, late])
    assert torch.all(done[0, late] == 0)


def test_in_an_episode_every_late_motor_lags_by_one_control_step(make):
    settings = (*OFF[:2], *alone("delay"), "action.average=0.0")
    asked = []
    for probability in (0.0, 1.0):
        env = make(2, (*settings, f"randomize.unmodeled.delay.probability={probability}"))
        env.randomization.transmit = recording(env.randomization.transmit, asked)
        acted(env, 5)
    on_time, late = (torch.stack([done for _, done in part]) for part in (asked[:5], asked[5:]))
    assert torch.equal(on_time, torch.stack([told for told, _ in asked[:5]]))
    assert torch.equal(late[1:], on_time[:-1])
    assert torch.all(late[0] == 0)


def recording(transmit, into):
    def record(rows, action):
        done = transmit(rows, action)
        into.append((action.clone(), done.clone()))
        return done

    return record


def test_noise_keeps_one_part_for_the_episode_and_draws_the_rest_at_every_step():
    effect = Noise(UNMODELED.action_noise, 2, 20)
    effect.begin(BOTH, effect.episode(KEYS))
    kept = effect.offset.clone()
    zero = torch.zeros(2, 20, dtype=torch.float64)
    steps = [effect.apply(BOTH, effect.step(KEYS, torch.full((2,), step)), zero) - kept for step in range(3)]
    assert torch.equal(effect.offset, kept)
    assert not bool((steps[0] == steps[1]).any() or (steps[1] == steps[2]).any())
    assert torch.equal(steps[1], effect.apply(BOTH, effect.step(KEYS, torch.ones(2, dtype=torch.int64)), zero) - kept)
    effect.begin(BOTH, effect.episode(KEYS + 2))
    assert not bool((effect.offset == kept).any())


@pytest.mark.parametrize("per", ["step", "episode"])
def test_the_factor_is_drawn_as_often_as_the_profile_says(per):
    quiet = msgspec.structs.replace(UNMODELED.action_noise, step=0.0, episode=0.0, factor_per=per)
    effect = Noise(quiet, 2, 20)
    effect.begin(BOTH, effect.episode(KEYS))
    one = torch.ones(2, 20, dtype=torch.float64)
    first, second = (effect.apply(BOTH, effect.step(KEYS, torch.full((2,), step)), one) for step in range(2))
    assert torch.equal(first, second) == (per == "episode")
    assert not bool((first == 1).any())


@pytest.mark.parametrize("effect", ["delay", "backlash"])
def test_what_an_episode_draws_stays_until_the_next(make, effect):
    env = make(3, (*OFF[:2], *alone(effect)))
    held = getattr(env.randomization, effect)
    drawn = held.late if effect == "delay" else held.speed
    before = drawn.clone()
    acted(env, 5)
    assert torch.equal(drawn, before)
    begin(env, seed=1)
    assert not torch.equal(drawn, before)


# As the table above, with the paper's clipped change of the slack: what a step takes up of it moves nothing.
CLIPPED = [(1.0, 0.0, 0.32), (1.0, 0.0, 0.64), (1.0, 0.0, 0.96), (1.0, 0.0, 1.0), (1.0, 1.0, 1.0), (-0.25, 0.0, 0.8)]


def test_with_the_clipped_change_nothing_moves_until_the_slack_is_used_up():
    settings = msgspec.structs.replace(UNMODELED.backlash, log_factor=1.0, share="clipped")
    effect = Backlash(settings, [(math.log(10.0), math.log(4.0))], PERIOD_S, 1)
    effect.begin(torch.tensor([0]), effect.episode(KEYS[:1]))
    for action, left, slack in CLIPPED:
        out = effect.apply(torch.tensor([0]), torch.tensor([[action]], dtype=torch.float64))
        assert float(out) == pytest.approx(left, abs=1e-9)
        assert float(effect.slack) == pytest.approx(slack, abs=1e-12)


@pytest.mark.parametrize("spread", ["log", "speed"])
def test_the_factor_spreads_the_logarithm_of_the_speed_or_the_speed_itself(spread):
    settings = msgspec.structs.replace(UNMODELED.backlash, spread=spread, slowest_per_s=1e-9)
    effect = Backlash(settings, [(1.25, 4.25)] * 5, PERIOD_S, len(MANY))
    effect.begin(torch.arange(len(MANY)), effect.episode(MANY))
    calibrated = torch.tensor([1.25, 4.25], dtype=torch.float64)
    by = effect.speed.log() / calibrated if spread == "log" else effect.speed / calibrated.exp()
    assert_drawn_from(by, settings.log_factor)


def test_a_factor_of_the_episode_has_the_stated_distribution():
    quiet = msgspec.structs.replace(UNMODELED.action_noise, step=0.0, episode=0.0, factor_per="episode")
    effect = Noise(quiet, len(MANY), 20)
    rows = torch.arange(len(MANY))
    effect.begin(rows, effect.episode(MANY))
    one = torch.ones(len(MANY), 20, dtype=torch.float64)
    assert_drawn_from(effect.apply(rows, effect.step(MANY, torch.zeros_like(rows)), one), quiet.factor)

"""What is off is exactly the plain simulation, and what is on makes a difference."""

import mujoco
import numpy as np
import pytest
import torch

from .conftest import EFFECTS, OFF, acted, alone, scene_for
from .test_dynamics import FIELDS, NEUTRAL, only

STEPS = 25
ACTING = ("action_noise", "delay", "backlash", "timing", "force")
# Each effect with amounts of nothing.
NOTHING = {
    "action_noise": ("action_noise.step=0.0", "action_noise.episode=0.0", "action_noise.factor=1.0"),
    "delay": ("delay.probability=0.0",),
    "force": ("force.acceleration_m_s2=0.0",),
    "marker_loss": ("marker_loss.probability_per_s=0.0",),
}


@pytest.fixture
def plain(make):
    return acted(make(3, OFF), STEPS)


def test_two_plain_ones_are_bit_identical(make, plain):
    assert torch.equal(plain, acted(make(3, OFF), STEPS))


def test_the_plain_one_is_mujoco_s_own(make):
    env = make(3, OFF)
    states, ctrl, batch = [env.physics.batch.state.copy()], [], env.physics.batch
    for step in range(STEPS):
        acted(env, 1, seed=step)
        states.append(batch.state.copy())
        ctrl.append(env.physics.ctrl.numpy().copy())
    model = scene_for(("task.start_random_steps=3", *OFF)).model
    data = mujoco.MjData(model)
    for row in range(3):
        mujoco.mj_setState(model, data, states[0][row], mujoco.mjtState.mjSTATE_INTEGRATION)
        for step in range(STEPS):
            data.ctrl[:] = ctrl[step][row]
            mujoco.mj_step(model, data, 10)
        np.testing.assert_array_equal(data.qpos, env.physics.qpos[row].numpy())
        np.testing.assert_array_equal(data.qvel, env.physics.qvel[row].numpy())


@pytest.mark.parametrize("effect", NOTHING)
def test_an_effect_of_nothing_is_the_plain_simulation_to_the_last_bit(make, plain, effect):
    settings = [f"randomize.unmodeled.{setting}" for setting in NOTHING[effect]]
    env = make(3, (*OFF[:2], *alone(effect), *settings))
    assert torch.equal(acted(env, STEPS), plain)
    truth = env.observe()
    assert all(torch.equal(seen, truth[name]) for name, seen in env.perceive(truth).items())


@pytest.mark.parametrize("written", [False, True])
def test_physics_of_nothing_is_the_plain_simulation_to_the_last_bit(make, plain, written):
    nothing = [f"randomize.physics.{key}={{uniform=[{value},{value}]}}" for key, value in NEUTRAL.items()]
    env = make(3, (*only(), *(nothing if written else ())))
    assert bool(env.randomization.dynamics._live) == written
    assert torch.equal(acted(env, STEPS), plain)


@pytest.mark.parametrize("effect", EFFECTS)
def test_an_effect_that_is_off_while_its_group_is_on_is_the_plain_simulation(make, plain, effect):
    settings = (*OFF[:2], *alone(effect), f"randomize.unmodeled.{effect}.on=false")
    assert torch.equal(acted(make(3, settings), STEPS), plain)


@pytest.mark.parametrize("effect", ACTING)
def test_an_effect_on_motion_makes_every_trajectory_another(make, plain, effect):
    settings = (*OFF[:2], *alone(effect))
    if effect == "force":
        settings = (*settings, "randomize.unmodeled.force.probability=0.1")
    assert float((acted(make(3, settings), STEPS) - plain).abs().amax(dim=(0, 2)).min()) > 1e-4


@pytest.mark.parametrize("key", FIELDS)
def test_a_range_of_physics_makes_every_trajectory_another(make, plain, key):
    # A cube does not roll: the ball has a friction for it.
    ball = ('object.kind="sphere"', "object.friction=[1.0,0.005,0.001]")
    more = ball if key == "rolling_friction" else ()
    plain = acted(make(3, (*OFF, *more)), STEPS) if more else plain
    other = acted(make(3, only(key, more=more)), STEPS)
    assert float((other - plain).abs().amax(dim=(0, 2)).min()) > 1e-4


def test_a_lost_marker_makes_another_reading_and_the_same_trajectory(make, plain):
    settings = (*OFF[:2], *alone("marker_loss"), "randomize.unmodeled.marker_loss.probability_per_s=0.9")
    env = make(3, settings)
    assert torch.equal(acted(env, STEPS), plain)
    truth = env.observe()
    seen = env.perceive(truth)
    assert not torch.equal(seen["fingertip_positions"], truth["fingertip_positions"])
    assert torch.equal(seen["object_position"], truth["object_position"])

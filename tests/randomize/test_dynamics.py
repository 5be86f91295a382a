"""Physics of each simulation: whole, physical, kept for an episode, and on just those that begin one."""

import math

import mujoco
import numpy as np
import pytest
import torch

from dexctl import randomness, rotation
from dexctl.randomize.dynamics import moved_limits

from .conftest import OFF, acted, begin, scene_for

ONLY_PHYSICS = tuple(OFF[1:])
NEUTRAL = {
    "object_scale": "1.0",
    "mass": "1.0",
    "friction": "1.0",
    "rolling_friction": "1.0",
    "joint_damping": "1.0",
    "actuator_gain": "1.0",
    "joint_limit_rad": "0.0",
    "gravity_m_s2": "0.0",
}
# Each range with the fields of the model that it writes.
FIELDS = {
    "object_scale": ("geom_size", "geom_rbound", "geom_aabb", "body_inertia"),
    "mass": ("body_mass", "body_inertia"),
    "friction": ("geom_friction",),
    "rolling_friction": ("geom_friction",),
    "joint_damping": ("dof_damping",),
    "actuator_gain": ("actuator_gainprm", "actuator_biasprm"),
    "joint_limit_rad": ("jnt_range", "actuator_ctrlrange"),
    "gravity_m_s2": ("opt.gravity",),
}
WRITTEN = sorted({field for fields in FIELDS.values() for field in fields})
# A simulation's gravity and limits are looked at so often.
DRAWS, BATCH = 10_000, 250


def only(*keys, more=()):
    """Settings that leave some ranges of the first group."""
    off = [f"randomize.physics.{key}={value}" for key, value in NEUTRAL.items() if key not in keys]
    rolling = ["randomize.physics.rolling_friction={uniform=[0.5,2.0]}"] * ("rolling_friction" in keys)
    return (*ONLY_PHYSICS, *off, *rolling, *more)


def nominal(env, name):
    option = name.removeprefix("opt.")
    return torch.from_numpy(
        np.array(getattr(env.physics.scene.model.opt if option != name else env.physics.scene.model, option))
    )


def redraw(env, number):
    """New physics in every simulation, without playing a start."""
    ids = torch.arange(env.num_environments)
    env.randomization.dynamics.begin(ids, randomness.derive(randomness.key(7).expand(len(ids)), number, ids))


@pytest.mark.parametrize("key", FIELDS)
def test_a_range_changes_its_own_fields_in_every_simulation_and_no_other(make, key):
    env = make(3, only(key))
    for name in WRITTEN:
        live, plain = env.physics.model_field(name), nominal(env, name)
        changed = (live != plain).flatten(1).any(dim=1)
        assert bool(changed.all()) == bool(changed.any()) == (name in FIELDS[key]), name
    assert not torch.equal(env.physics.model_field(FIELDS[key][0])[0], env.physics.model_field(FIELDS[key][0])[1])


def test_physics_stays_for_the_episode_and_is_another_in_the_next(make):
    env = make(3, ONLY_PHYSICS)
    before = {name: env.physics.model_field(name).clone() for name in WRITTEN}
    acted(env, 5)
    assert all(torch.equal(env.physics.model_field(name), value) for name, value in before.items())
    begin(env, seed=1)
    assert not any(torch.equal(env.physics.model_field(name)[i], before[name][i]) for name in before for i in range(3))


def test_only_simulations_that_begin_an_episode_get_new_physics(make):
    env = make(3, ONLY_PHYSICS)
    derived = ("body_subtreemass", "dof_invweight0", "body_invweight0")
    before = {name: env.physics.model_field(name).clone() for name in (*WRITTEN, *derived)}
    env.begin(torch.tensor([1]), torch.tensor([99]))
    for name, value in before.items():
        live = env.physics.model_field(name)
        assert torch.equal(live[[0, 2]], value[[0, 2]]), name
        assert not torch.equal(live[1], value[1]), name


def test_mass_and_inertia_of_a_body_scale_together_and_derived_constants_follow(make):
    env = make(8, only("mass"))
    mass, inertia = env.physics.model_field("body_mass"), env.physics.model_field("body_inertia")
    plain = nominal(env, "body_mass")
    heavy = plain > 0
    factor = mass[:, heavy] / plain[heavy]
    torch.testing.assert_close(
        inertia[:, heavy] / nominal(env, "body_inertia")[heavy], factor[..., None].expand(-1, -1, 3)
    )
    # One factor for each body, shared by no two.
    assert float(factor.std(dim=1).min()) > 0.1
    assert len(factor.flatten().unique()) == factor.numel()
    torch.testing.assert_close(env.physics.model_field("body_subtreemass")[:, 0], mass.sum(dim=1))
    weights = env.physics.model_field("dof_invweight0")
    assert bool((weights != nominal(env, "dof_invweight0")).all(dim=1).all())


def test_a_larger_object_of_the_same_mass_turns_more_heavily(make):
    env = make(8, only("object_scale"))
    scene = env.physics.scene
    half = env.physics.model_field("geom_size")[:, scene.object_geoms[0]]
    plain = nominal(env, "geom_size")[scene.object_geoms[0]]
    scale = half / plain
    # A cube stays a cube: one factor for all its sides.
    torch.testing.assert_close(scale, scale[:, :1].expand(-1, 3))
    mass = env.physics.model_field("body_mass")[:, scene.object_body]
    torch.testing.assert_close(mass, nominal(env, "body_mass")[scene.object_body].expand(8))
    inertia = env.physics.model_field("body_inertia")[:, scene.object_body]
    torch.testing.assert_close(inertia, mass[:, None] * (2 * half) ** 2 / 6)
    bound = env.physics.model_field("geom_rbound")[:, scene.object_geoms[0]]
    torch.testing.assert_close(bound, half.norm(dim=1))
    torch.testing.assert_close(env.physics.model_field("geom_aabb")[:, scene.object_geoms[0], 3:], half)


def test_a_larger_object_touches_what_a_model_of_its_size_touches(make):
    scale, count = 1.3, 300
    env = make(count, (*only("object_scale"), f"randomize.physics.object_scale={{uniform=[{scale},{scale + 1e-9}]}}"))
    made = scene_for((*OFF, f"object.size_m={env.profile.object.size_m * scale}")).model
    # Anywhere about the open hand, as it may arrive there.
    at, qpos = env.physics.scene.object_qpos, env.physics.qpos.clone()
    places = randomness.derive(randomness.key(2).expand(count), torch.arange(count))
    qpos[:, at : at + 3] = torch.tensor(env.profile.object.spawn_m) + 0.1 * (randomness.uniform(places, 3) - 0.5)
    qpos[:, at + 3 : at + 7] = rotation.normalize(randomness.normal(places, 4))
    contacts = env.physics.batch.bind("ncon")
    env.physics.place(torch.arange(count), qpos, torch.zeros_like(env.physics.qvel))
    data = mujoco.MjData(made)
    expected = []
    for state in qpos.numpy():
        data.qpos[:] = state
        mujoco.mj_fwdPosition(made, data)
        expected.append(data.ncon)
    assert contacts.ravel().tolist() == expected


def test_a_simulation_with_new_physics_moves_like_a_model_that_was_made_so(make):
    env = make(2, ONLY_PHYSICS)
    acted(env, 2)
    batch = env.physics.batch
    state, model = batch.state[1].copy(), batch.get_model(1)
    acted(env, 1, seed=3)
    # The model written out and read again: nothing of what was derived comes along.
    data = mujoco.MjData(model)
    mujoco.mj_setConst(model, data)
    mujoco.mj_setState(model, data, state, mujoco.mjtState.mjSTATE_INTEGRATION)
    data.ctrl[:] = env.physics.ctrl[1].numpy()
    mujoco.mj_step(model, data, env.profile.physics.substeps)
    np.testing.assert_array_equal(data.qpos, env.physics.qpos[1].numpy())


def test_one_factor_scales_all_friction_and_the_object_s_rolling_has_another(make):
    env = make(6, only("friction", "rolling_friction"))
    friction, plain = env.physics.model_field("geom_friction"), nominal(env, "geom_friction")
    factor = friction / plain
    rolling = torch.zeros_like(factor[0], dtype=torch.bool)
    rolling[env.physics.scene.object_geoms, 2] = True
    shared = factor[:, ~rolling]
    torch.testing.assert_close(shared, shared[:, :1].expand_as(shared))
    assert float((factor[:, rolling][:, 0] / shared[:, 0]).std()) > 0.1


def test_a_servo_s_gain_scales_both_halves_of_its_law(make):
    env = make(4, only("actuator_gain"))
    gain, bias = env.physics.model_field("actuator_gainprm"), env.physics.model_field("actuator_biasprm")
    assert torch.equal(gain[:, :, 0], -bias[:, :, 1])
    assert len(gain[:, :, 0].unique()) > 70


def test_gravity_stays_physical(make):
    env = make(BATCH, only("gravity_m_s2"))
    drawn = []
    for number in range(DRAWS // BATCH):
        redraw(env, number)
        drawn.append(env.physics.model_field("opt.gravity").clone())
    gravity = torch.cat(drawn)
    tilt = torch.acos(-gravity[:, 2] / gravity.norm(dim=1))
    assert len(gravity) == DRAWS
    assert 7.5 < float(gravity.norm(dim=1).min()) < float(gravity.norm(dim=1).max()) < 12
    assert float(tilt.max()) < math.radians(15)


def test_joint_limits_stay_physical(make):
    env = make(BATCH, only("joint_limit_rad"))
    scene, kept = env.physics.scene, env.profile.randomize.physics.joint_width_kept
    plain = nominal(env, "jnt_range")[scene.joint_ids]
    at_low, at_high = plain[:, 0] == 0, plain[:, 1] == 0
    assert bool(at_low.any() and at_high.any())
    control = nominal(env, "actuator_ctrlrange")
    for number in range(DRAWS // BATCH):
        redraw(env, number)
        low, high = env.physics.model_field("jnt_range")[:, scene.joint_ids].unbind(-1)
        width = plain[:, 1] - plain[:, 0]
        assert bool((high - low >= kept * width * (1 - 1e-9)).all())
        assert bool((low[:, at_low] >= 0).all() and (high[:, at_high] <= 0).all())
        targets = env.physics.model_field("actuator_ctrlrange")
        assert bool((targets[..., 1] - targets[..., 0] >= kept * (control[:, 1] - control[:, 0]) * (1 - 1e-9)).all())


def test_control_ranges_follow_the_joints_that_an_actuator_pulls(make):
    env = make(5, only("joint_limit_rad"))
    scene = env.physics.scene
    moved = env.physics.model_field("jnt_range")[:, scene.joint_ids] - nominal(env, "jnt_range")[scene.joint_ids]
    followed = env.physics.model_field("actuator_ctrlrange") - nominal(env, "actuator_ctrlrange")
    # WRJ0 has a motor of its own, and so has FFJ2, whose lower stop is at 0; FFJ1's pulls FFJ0 too.
    torch.testing.assert_close(followed[:, 1], moved[:, 1])
    torch.testing.assert_close(followed[:, 3, 1], moved[:, 3, 1])
    torch.testing.assert_close(followed[:, 4, 1], moved[:, 4, 1] + moved[:, 5, 1])
    assert float(followed.abs().min(dim=0).values.max()) > 0


def test_a_hand_starts_within_the_limits_it_has(make):
    env = make(64, (*only("joint_limit_rad"), "task.start_random_steps=0"))
    low, high = env.randomization.dynamics.joint_range(torch.arange(64)).unbind(-1)
    angles = env.physics.qpos[:, env.physics.scene.joint_qpos]
    # One step was played: MuJoCo's stops are springs, and a hinge may lean into them.
    assert float(torch.maximum(low - angles, angles - high).max()) < 0.1


@pytest.mark.parametrize(
    ("plain", "noise", "expected"),
    [
        ((0.0, 1.0), (-0.2, 0.1), (0.0, 1.1)),
        ((-1.0, 0.0), (0.1, 0.3), (-0.9, 0.0)),
        ((-1.0, 1.0), (1.5, -1.0), (0.5, 0.52)),
        ((0.0, 1.0), (0.4, -0.9), (0.4, 0.41)),
        ((-1.0, 0.0), (1.2, -0.1), (-0.11, -0.1)),
    ],
)
def test_stops_do_not_cross_zero_or_each_other(plain, noise, expected):
    moved = moved_limits(torch.tensor([plain]), torch.tensor([[noise]]), width_kept=0.01)
    torch.testing.assert_close(moved[0, 0], torch.tensor(expected))


def test_limits_may_move_by_shares_of_their_joint_s_range(make):
    settings = only("joint_limit_rad", more=("randomize.physics.joint_limit_rad=0.1",))
    rad, width = (make(2, (*settings, f'randomize.physics.joint_limit_unit="{unit}"')) for unit in ("rad", "width"))
    scene = rad.physics.scene
    plain = nominal(rad, "jnt_range")[scene.joint_ids]
    free = (plain != 0).all(dim=1)
    for env, moved in ((rad, torch.tensor(0.1)), (width, 0.1 * (plain[:, 1] - plain[:, 0])[free, None])):
        live = env.physics.model_field("jnt_range")[:, scene.joint_ids][:, free]
        torch.testing.assert_close(live, (plain[free] + moved).expand_as(live))


def test_inertia_may_differ_alone(make):
    env = make(4, (*only("mass"), 'randomize.physics.mass_acts_on="inertia"'))
    mass, inertia = (env.physics.model_field(name) for name in ("body_mass", "body_inertia"))
    assert torch.equal(mass, nominal(env, "body_mass").expand_as(mass))
    heavy = nominal(env, "body_mass") > 0
    factor = inertia[:, heavy] / nominal(env, "body_inertia")[heavy]
    assert float((factor - factor[..., :1]).abs().max()) < 1e-12
    assert 0.5 < float(factor.min()) < 0.7 < 1.3 < float(factor.max()) < 1.5
    torch.testing.assert_close(
        env.randomization.dynamics.object_mass(torch.arange(4)), torch.full((4,), 0.078).double()
    )

"""What randomization really drew: read where it acts, in models, markers, actions and readings.

Nothing here asks the distributions: a factor is what a simulation's model has over what the plain
one has, noise is what comes out over what went in. So a distribution can be checked by looking.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec
import numpy as np
import torch
from torch import Tensor

from dexctl import randomness, rotation
from dexctl.physics.cpu import CpuPhysics
from dexctl.profile import schema
from dexctl.profile.distribution import Distribution
from dexctl.randomize.action import Backlash, Delay, Noise
from dexctl.randomize.disturbance import Force, Timing
from dexctl.randomize.markers import Loss
from dexctl.randomize.observation import ObservationNoise, Reading
from dexctl.randomize.sampled import Sampled
from dexctl.reorient.environment import Environment
from dexctl.scene.build import Scene, build_scene

# n simulations, K numbers of each.

# Simulations held at once, and the control steps of each in which markers are lost and objects pushed.
_BATCH = 256
_STEPS = 50


def draw_samples(profile: schema.Profile, count: int, seed: int = 0) -> list[Sampled]:
    """Begins episodes and reads everything that is randomized in them.

    Args:
        count: of episodes; number i has the randomization of trial i of an evaluation with this seed.

    Returns:
        Each quantity of the groups that are on; empty when all are off. Numbers that are stated as
        one number stand there too.
    """
    # The randomization of an episode does not depend on how its start is played.
    short = msgspec.structs.replace(profile, task=msgspec.structs.replace(profile.task, start_random_steps=0))
    scene = build_scene(short)
    size = min(count, _BATCH)
    env = Environment(short, scene, CpuPhysics(scene, size, short.physics), size)
    chunks: list[list[Sampled]] = []
    for first in range(0, count, size):
        ids = torch.arange(min(size, count - first))
        env.begin(ids, randomness.derive(randomness.key(seed).expand(len(ids)), randomness.TRIAL, first + ids))
        chunks.append(list(_read(short, scene, env, ids)))
    return [
        dataclasses.replace(parts[0], drawn=torch.cat([part.drawn for part in parts]))
        for parts in zip(*chunks, strict=True)
    ]


def _read(profile: schema.Profile, scene: Scene, env: Environment, rows: Tensor) -> Iterator[Sampled]:
    settings, effects, key = profile.randomize, env.randomization, env.key[rows]
    if settings.physics.on:
        yield from _physics(settings.physics, scene, env, rows)
    if effects.observation:
        yield from _observation(settings.observation, effects.observation, scene, env, rows)
    if effects.noise:
        yield from _noise(settings.unmodeled.action_noise, effects.noise, env.num_actuators, rows, key)
    if effects.delay:
        yield _delay(settings.unmodeled.delay, effects.delay, rows)
    if effects.backlash:
        yield _backlash(settings.unmodeled.backlash, effects.backlash, rows)
    if effects.timing:
        yield from _timing(profile, effects.timing, env, rows, key)
    if effects.force:
        yield from _force(settings.unmodeled.force, effects.force, effects.dynamics.object_mass(rows), rows, key)
    if effects.loss:
        yield from _loss(settings.unmodeled.marker_loss, effects.loss, env, rows, key)


def _physics(settings: schema.RandomizePhysics, scene: Scene, env: Environment, rows: Tensor) -> Iterator[Sampled]:
    model = scene.model

    def factor(name: str, *columns: Any) -> Tensor:
        """What a field has over the plain model's, (n, K), where the plain one is not zero."""
        plain = torch.from_numpy(getattr(model, name).copy())[columns].reshape(-1)
        live = env.physics.model_field(name)[rows][:, *columns].reshape(len(rows), -1)
        return live[:, plain != 0] / plain[plain != 0]

    def physics(key: str, each: str, drawn: Tensor, unit: str = "") -> Sampled:
        return Sampled(f"randomize.physics.{key}", "episode", each, unit, getattr(settings, key), drawn)

    first = scene.object_geoms[:1]
    yield physics("object_scale", "", factor("geom_rbound", first))
    yield physics("mass", "body", _mass(settings, scene, factor))
    friction = factor("geom_friction", first, 0)
    yield physics("friction", "", friction)
    yield physics("rolling_friction", "", factor("geom_friction", first, 2) / friction)
    yield physics("joint_damping", "joint", factor("dof_damping", scene.joint_dof))
    yield physics("actuator_gain", "actuator", factor("actuator_gainprm", slice(None), 0))
    plain = torch.from_numpy(model.jnt_range[scene.joint_ids])
    moved = env.physics.model_field("jnt_range")[rows][:, scene.joint_ids] - plain
    # A stop at zero is held back from crossing it, so it says little of what was drawn.
    if settings.joint_limit_unit == "width":
        moved = moved / (plain[:, 1] - plain[:, 0])[:, None]
    unit = "widths" if settings.joint_limit_unit == "width" else "rad"
    yield physics("joint_limit_rad", "stop that is not at 0", moved[:, plain != 0], unit)
    gravity = env.physics.model_field("opt.gravity")[rows] - torch.from_numpy(model.opt.gravity.copy())
    yield physics("gravity_m_s2", "coordinate", gravity, "m/s2")


def _mass(settings: schema.RandomizePhysics, scene: Scene, factor: Callable[..., Tensor]) -> Tensor:
    """Factors (n, K) of the bodies that weigh something, told by what they act on."""
    if settings.mass_acts_on == "mass-and-inertia":
        return factor("body_mass")
    drawn = factor("body_inertia", slice(None), 0)
    # The object's inertia grows with its size too.
    bodies = np.flatnonzero(scene.model.body_inertia[:, 0])
    own = torch.from_numpy(np.isin(bodies, scene.object_bodies))
    return torch.where(own, drawn / factor("geom_rbound", scene.object_geoms[:1]) ** 2, drawn)


def _observation(
    settings: schema.RandomizeObservation, noise: ObservationNoise, scene: Scene, env: Environment, rows: Tensor
) -> Iterator[Sampled]:
    def observed(key: str, drawn: Tensor, unit: str = "m") -> Sampled:
        per = "step" if "_step_" in key else "episode"
        return Sampled(f"randomize.observation.{key}", per, "coordinate", unit, getattr(settings, key), drawn)

    tips = noise.fingertips.shape[1]
    nowhere = Reading(
        torch.zeros(len(rows), tips, dtype=torch.float64),
        torch.zeros(len(rows), 3, dtype=torch.float64),
        torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64).repeat(len(rows), 1),
    )
    # What is read of nothing is noise.
    read = noise.read(rows, noise.step(env.key[rows], env.steps[rows]), nowhere)
    kept = rotation.from_rotation_vector(noise.rotation[rows])
    turn = rotation.to_rotation_vector(rotation.difference(read.object_orientation, kept))
    yield observed("fingertip_episode_m", noise.fingertips[rows])
    yield observed("fingertip_step_m", read.fingertips - noise.fingertips[rows])
    yield observed("object_position_episode_m", noise.position[rows])
    yield observed("object_position_step_m", read.object_position - noise.position[rows])
    yield observed("object_rotation_episode_rad", noise.rotation[rows], "rad")
    yield observed("object_rotation_step_rad", turn, "rad")
    plain = torch.from_numpy(scene.model.site_pos)
    sites = env.physics.model_field("site_pos")[rows] - plain
    yield observed("fingertip_marker_m", sites[:, scene.seen_fingertip_sites].flatten(1))
    yield observed("base_marker_m", sites[:, scene.seen_base_sites].flatten(1))


def _noise(
    settings: schema.ActionNoise, noise: Noise, num_actuators: int, rows: Tensor, key: Tensor
) -> Iterator[Sampled]:
    def noisy(name: str, per: Literal["episode", "step"], drawn: Tensor) -> Sampled:
        stated = getattr(settings, name)
        return Sampled(f"randomize.unmodeled.action_noise.{name}", per, "actuator", "", stated, drawn)

    nothing = torch.zeros(len(rows), num_actuators, dtype=torch.float64)
    new = noise.step(key, torch.zeros_like(rows))
    still, full = noise.apply(rows, new, nothing), noise.apply(rows, new, nothing + 1.0)
    yield noisy("step", "step", still - noise.offset[rows])
    yield noisy("episode", "episode", noise.offset[rows])
    yield noisy("factor", settings.factor_per, full - still)


def _delay(settings: schema.Delay, delay: Delay, rows: Tensor) -> Sampled:
    late = delay.late[rows].to(torch.float64)
    return Sampled(
        "randomize.unmodeled.delay.probability", "episode", "actuator", "", settings.probability, late, chance=True
    )


def _backlash(settings: schema.Backlash, backlash: Backlash, rows: Tensor) -> Sampled:
    speed = backlash.speed[rows]
    by_log = settings.spread == "log"
    factor = (torch.log(speed) / backlash.log_speed if by_log else speed / torch.exp(backlash.log_speed)).flatten(1)
    each = "actuator and direction"
    return Sampled("randomize.unmodeled.backlash.log_factor", "episode", each, "", settings.log_factor, factor)


def _timing(profile: schema.Profile, timing: Timing, env: Environment, rows: Tensor, key: Tensor) -> Iterator[Sampled]:
    name, stated = "randomize.unmodeled.timing", profile.randomize.unmodeled.timing.rate_per_s
    rate = timing.rate_per_s[rows, None]
    yield Sampled(f"{name}.rate_per_s", "episode", "", "1/s", stated, rate)
    timing.apply(rows, timing.step(key, torch.zeros_like(rows)))
    extra = env.physics.model_field("opt.timestep")[rows, None] - profile.physics.timestep_s
    # Of every rate: the extra time over its mean.
    yield Sampled(f"{name} extra time", "step", "", "means", Distribution(exponential=1.0), (extra * rate).abs())


def _force(settings: schema.Force, force: Force, mass: Tensor, rows: Tensor, key: Tensor) -> Iterator[Sampled]:
    name = "randomize.unmodeled.force"
    yield Sampled(f"{name}.probability", "episode", "", "", settings.probability, force.probability[rows, None])
    pushes = []
    for step in range(_STEPS):
        faded = settings.decay * force.force[rows]
        force.apply(rows, force.step(key, torch.full_like(rows, step)))
        new = (force.force[rows] != faded).any(dim=1)
        pushes.append((force.force[rows] / mass[:, None])[new])
    accelerations = torch.cat(pushes)
    yield Sampled(f"{name}.acceleration_m_s2", "push", "coordinate", "m/s2", settings.acceleration_m_s2, accelerations)


def _loss(settings: schema.MarkerLoss, loss: Loss, env: Environment, rows: Tensor, key: Tensor) -> Iterator[Sampled]:
    """Shows clocks in place of fingertips: a marker that shows an old time is lost."""
    name, period_s = "randomize.unmodeled.marker_loss", env.control_period_s

    def clock(step: int) -> Tensor:
        return torch.full((len(rows), loss.left.shape[1], 3), float(step), dtype=torch.float64)

    loss.begin(rows, clock(0))
    chances, seconds = [], []
    for step in range(1, _STEPS):
        seen = loss.left[rows] == 0
        shown = loss.update(rows, loss.step(key, torch.full_like(rows, step)), clock(step))
        begun = seen & (shown[..., 0] < step)
        chances.append(begun[seen])
        seconds.append((1 + loss.left[rows][begun]) * period_s)
    per_step = 1.0 - (1.0 - settings.probability_per_s) ** period_s
    happened = torch.cat(chances).to(torch.float64)[:, None]
    yield Sampled(
        f"{name}.probability_per_s", "step", "marker in sight", f"in {period_s:g} s", per_step, happened, chance=True
    )
    yield Sampled(f"{name}.seconds", "loss", "marker", "s", settings.seconds, torch.cat(seconds)[:, None])

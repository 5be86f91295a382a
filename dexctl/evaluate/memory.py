"""What a policy remembers of the physics that it is in (section 6.4).

After some seconds with the object, a linear probe is to tell from what the policy carries whether
the object is larger or smaller than average, heavier or lighter, rougher or smoother.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import torch
from torch import Tensor

from dexctl import randomness
from dexctl.physics.making import make_physics
from dexctl.policy.actor import Actor
from dexctl.profile.schema import Profile
from dexctl.reorient.environment import End, Environment
from dexctl.reorient.observation import concatenate
from dexctl.rollout.collector import sampling_noise
from dexctl.scene.build import Scene, build_scene

_TRIAL = randomness.stream("evaluate.memory")
_FOLDS = 10
# Weights of the penalty that a probe chooses among, in units of the number of samples.
_PENALTIES = tuple(10.0**power for power in range(-4, 3))
# Of the normal distribution, for an interval of 95%.
_Z = 1.96

# N samples, D features.


@dataclasses.dataclass(frozen=True)
class Samples:
    """What a policy carried after some seconds, and the physics it was in.

    Attributes:
        features: (N, D) by name: ``memory`` (the LSTM's hidden and cell), ``last layer`` (what the head of a
            feed-forward policy sees), ``observations`` (of that moment, as the network sees them).
        physics: (N,) by name, ``size``, ``mass``, ``friction``, those that the profile randomizes.
        dropped: how many trials ended before, and are no samples.
    """

    features: dict[str, Tensor]
    physics: dict[str, Tensor]
    dropped: int


@dataclasses.dataclass(frozen=True)
class Probe:
    """How well one feature tells one property.

    Attributes:
        accuracy: share of held-out samples put on the right side of the average.
        interval: of the accuracy, Wilson's, 95%.
        correct: (N,) by sample.
    """

    accuracy: float
    interval: tuple[float, float]
    correct: tuple[bool, ...]


@torch.inference_mode()
def gather(
    profile: Profile,
    actor: Actor,
    count: int,
    seed: int,
    seconds: float,
    on_batch: Callable[[int], None] = lambda done: None,
) -> Samples:
    """Plays trials for some seconds and takes down what the policy carries then.

    Args:
        count: trials; sample i depends on (seed, i), and on nothing but rounding beside.
        on_batch: told how many trials are over; it may raise to leave.
    """
    rows = min(profile.evaluate.batch, count)
    scene = build_scene(profile)
    physics = make_physics(scene, rows, profile.physics)
    env = Environment(profile, scene, physics, rows, profile.evaluate.goal_timeout_s, profile.evaluate.goals)
    steps = round(seconds / env.control_period_s)
    carried: list[dict[str, Tensor]] = []
    drawn: list[dict[str, Tensor]] = []
    for start in range(0, count, rows):
        everyone = torch.arange(min(rows, count - start))
        key = randomness.derive(randomness.key(seed).expand(len(everyone)), _TRIAL, start + everyone)
        env.begin(everyone, key)
        active, features = _play(env, actor, tuple(profile.policy.actor.observe), everyone, steps)
        carried.append(features)
        drawn.append(_physics(env, scene, active))
        on_batch(start + len(everyone))
    physics_of = {name: torch.cat([one[name] for one in drawn]) for name in drawn[0]}
    kept = sum(len(one["observations"]) for one in carried)
    return Samples(
        features={name: torch.cat([one[name] for one in carried]) for name in carried[0]},
        physics={name: values for name, values in physics_of.items() if kept and float(values.std()) > 0.0},
        dropped=count - kept,
    )


def _play(
    env: Environment, actor: Actor, observe: tuple[str, ...], active: Tensor, steps: int
) -> tuple[Tensor, dict[str, Tensor]]:
    """Which rows are still playing after so many steps, and what the policy carries in them."""
    hidden, cell = actor.initial_state(len(active))
    seen: list[Tensor] = []
    hook = actor.head.register_forward_pre_hook(lambda head, inputs: seen.append(inputs[0]))
    try:
        for step in range(steps + 1):
            observations = concatenate(env.perceive(env.observe(active), active), observe)
            seen.clear()
            bins, _, (hidden, cell) = actor.act(observations, (hidden, cell), sampling_noise(env, active))
            if step == steps:
                features = {"observations": actor.normalization(observations)}
                if actor.shape.lstm:
                    features["memory"] = torch.cat((hidden, cell), dim=1)
                else:
                    features["last layer"] = seen[0][0]
                return active, features
            going = env.step(bins, active).end == End.RUNNING
            active, hidden, cell = active[going], hidden[going], cell[going]
    finally:
        hook.remove()
    raise AssertionError("the last step returns")


def _physics(env: Environment, scene: Scene, rows: Tensor) -> dict[str, Tensor]:
    geoms = torch.from_numpy(scene.object_geoms)
    size = env.physics.model_field("geom_size")[rows][:, geoms[0], 0]
    friction = env.physics.model_field("geom_friction")[rows][:, geoms[0], 0]
    return {"size": size.clone(), "mass": env.randomization.dynamics.object_mass(rows), "friction": friction.clone()}


def probe(features: Tensor, values: Tensor) -> Probe:
    """Tells from features whether values are above their average, each sample by a probe that has not seen it.

    A ridge regression to +1 and -1 in ten folds; each fold chooses its penalty by leaving one out
    among the nine that it learns from.

    Args:
        features: (N, D); values: (N,), N at least twice the number of folds.
    """
    label = torch.where(values > values.mean(), 1.0, -1.0).double()
    draw = randomness.uniform(randomness.key(0), len(label))[0] if len(label) else torch.empty(0)
    fold = torch.empty(len(label), dtype=torch.int64)
    fold[draw.argsort()] = torch.arange(len(label)) % _FOLDS
    correct = torch.zeros(len(label), dtype=torch.bool)
    for held in range(_FOLDS):
        out = fold == held
        correct[out] = _predict(features[~out].double(), label[~out], features[out].double()).sign() == label[out]
    accuracy = float(correct.double().mean())
    return Probe(accuracy, wilson(accuracy, len(label)), tuple(correct.tolist()))


def wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's interval of a share out of ``count``, 95%."""
    middle = (share + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z / (1 + _Z**2 / count) * math.sqrt(share * (1 - share) / count + _Z**2 / (4 * count**2))
    return middle - half, middle + half


def _predict(known: Tensor, label: Tensor, unknown: Tensor) -> Tensor:
    """What a ridge regression of the known says of the unknown."""
    mean, std = known.mean(dim=0), known.std(dim=0).clamp_min(1e-9)
    x, offset = (known - mean) / std, label.mean()
    left, singular, right = torch.linalg.svd(x, full_matrices=False)
    inner = left.T @ (label - offset)
    best, weights = math.inf, torch.zeros(x.shape[1], dtype=x.dtype)
    for penalty in _PENALTIES:
        shrink = singular**2 / (singular**2 + penalty * len(x))
        fit = left @ (shrink * inner)
        leverage = (left**2 @ shrink).clamp_max(1.0 - 1e-9)
        error = float((((label - offset - fit) / (1.0 - leverage)) ** 2).mean())
        if error < best:
            best = error
            weights = right.T @ (singular / (singular**2 + penalty * len(x)) * inner)
    return (unknown - mean) / std @ weights + offset

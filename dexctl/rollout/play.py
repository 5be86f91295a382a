"""A policy playing for people: one hand, one episode after the other, moment by moment."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
import torch

from dexctl import randomness
from dexctl.physics.cpu import CpuPhysics
from dexctl.policy.opening import OpenPolicy
from dexctl.reorient.environment import End, Environment, Step
from dexctl.reorient.observation import concatenate
from dexctl.rollout.collector import sampling_noise
from dexctl.scene.build import build_scene
from dexctl.scene.overlay import Caption

_NOTES = {
    End.RUNNING: "",
    End.DROP: "dropped",
    End.TIMEOUT: "out of time",
    End.FULL: "all goals reached",
    End.ERROR: "simulation failed",
}
# How long an ended episode stays in view.
_HOLD_S = 0.8


@dataclasses.dataclass(frozen=True)
class Episode:
    """An episode that ended.

    Attributes:
        index: from 0; goals: reached in a row; end: why it ended, as in ``End``.
        seconds: simulated; goal_seconds: from each reached goal's draw to its reaching.
    """

    index: int
    goals: int
    end: str
    seconds: float
    goal_seconds: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Moment:
    """One control period as people see it.

    Attributes:
        before, after: (Q,) positions at its start and end.
        goal_wxyz: (4,) what was asked for meanwhile.
        seconds: its length.
        caption: the episode in figures, at its end.
        ended: the episode, in the one moment that ended it.
    """

    before: np.ndarray
    after: np.ndarray
    goal_wxyz: np.ndarray
    seconds: float
    caption: Caption
    ended: Episode | None = None


def play(policy: OpenPolicy, seed: int, seconds: float = math.inf) -> Iterator[Moment]:
    """Plays, as in an evaluation, until ``seconds`` of simulated time are over.

    Args:
        seed: episode i is trial i of an evaluation with this seed.
    """
    profile = policy.profile
    scene = build_scene(profile)
    physics = CpuPhysics(scene, 1, profile.physics)
    env = Environment(profile, scene, physics, 1, profile.evaluate.goal_timeout_s, profile.evaluate.goals)
    chooser = policy.chooser(1)
    only = torch.arange(1)
    index, steps_left = 0, math.inf if math.isinf(seconds) else round(seconds / env.control_period_s)
    while steps_left > 0:
        env.begin(only, randomness.derive(randomness.key(seed), randomness.TRIAL, index))
        chooser.reset(only)
        goal_seconds: list[float] = []
        end, moment = End.RUNNING, None
        while end == End.RUNNING and steps_left > 0:
            before, goal = physics.qpos[0].numpy().copy(), env.goal[0].numpy().copy()
            asked_s = float(env.goal_steps[0] + 1) * env.control_period_s
            seen = env.perceive(env.observe()) if chooser.observe else {}
            observations = concatenate(seen, chooser.observe) if chooser.observe else torch.empty(0)
            step = env.step(chooser.choose(observations, sampling_noise(env), only), only)
            steps_left -= 1
            if step.reached[0]:
                goal_seconds.append(round(asked_s, 6))
            end = End(int(step.end[0]))
            caption = _caption(env, step, end, profile.evaluate.goals)
            ended = None
            if end != End.RUNNING:
                ended = Episode(index, caption.goals, end.name.lower(), caption.time_s, tuple(goal_seconds))
            after = physics.qpos[0].numpy().copy()
            moment = Moment(before, after, goal, env.control_period_s, caption, ended)
            yield moment
        if moment and moment.ended:
            for _ in range(round(_HOLD_S / env.control_period_s)):
                yield dataclasses.replace(moment, before=moment.after, ended=None)
        index += 1


def _caption(env: Environment, step: Step, end: End, goals_wanted: int) -> Caption:
    return Caption(
        goals=int(step.goals[0]),
        goals_wanted=goals_wanted,
        time_s=round(float(env.steps[0]) * env.control_period_s, 6),
        angle_rad=float(step.angle_rad[0]),
        note=_NOTES[end],
    )

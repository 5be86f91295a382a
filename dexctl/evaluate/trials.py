"""Trials as the paper scores them: goals reached in a row until a drop, a timeout, or enough of them (section 6.2)."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable, Generator, Sequence
from typing import Any

import torch
from torch import Tensor

from dexctl import randomness
from dexctl.evaluate.comparison import interval
from dexctl.evaluate.tracks import Tracks
from dexctl.physics.making import make_physics
from dexctl.policy.choosing import Chooser
from dexctl.profile.schema import Profile
from dexctl.reorient.environment import End, Environment
from dexctl.reorient.observation import concatenate
from dexctl.rollout.collector import sampling_noise
from dexctl.scene.build import build_scene

# From simulations, their rows and what is perceived of them to what the policy sees.
Look = Callable[[Environment, Tensor, dict[str, Tensor]], dict[str, Tensor]]
_ERROR = End.ERROR.name.lower()


@dataclasses.dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes:
        goals: reached in a row; end: why it ended, as in ``End``.
        seconds: simulated; goal_seconds: from each reached goal's draw to its reaching.
    """

    index: int
    goals: int
    end: str
    seconds: float
    goal_seconds: tuple[float, ...]


def run_trials(
    profile: Profile,
    chooser: Callable[[int], Chooser],
    count: int,
    seed: int,
    on_trial: Callable[[Trial], None] = lambda trial: None,
    stop: Callable[[], bool] = lambda: False,
) -> list[Trial]:
    """Runs trials to their end; trial i depends on (seed, i) alone, whatever the batch and the number of threads.

    Args:
        chooser: makes the policy for so many rows.
        on_trial: called as each trial ends, in the order they do.
        stop: asked between steps; when true, the trials that ended so far are returned.

    Returns:
        Trials by index.
    """
    trials: list[Trial] = []
    for ended in play_trials(profile, chooser, count, seed):
        for trial in ended:
            trials.append(trial)
            on_trial(trial)
        if stop():
            break
    return sorted(trials, key=lambda trial: trial.index)


def play_trials(
    profile: Profile,
    chooser: Callable[[int], Chooser],
    count: int,
    seed: int,
    tracks: Tracks | None = None,
    look: Look = lambda env, rows, seen: seen,
) -> Generator[list[Trial], None, None]:
    """The same one control step at a time, so that several policies can take turns.

    Args:
        tracks: takes down every state, for pictures and for what fingers do.
        look: changes what the policy sees, see ``sight.Sight.look``.

    Yields:
        The trials that ended in the step, often none.
    """
    rows = min(profile.evaluate.batch, count)
    scene = build_scene(profile)
    physics = make_physics(scene, rows, profile.physics)
    env = Environment(profile, scene, physics, rows, profile.evaluate.goal_timeout_s, profile.evaluate.goals)
    policy = chooser(rows)
    keys = randomness.derive(randomness.key(seed).expand(count), randomness.TRIAL, torch.arange(count))
    index = torch.arange(rows)
    waiting = iter(range(rows, count))
    goal_seconds: list[list[float]] = [[] for _ in range(count)]
    active = torch.arange(rows)
    env.begin(active, keys[:rows])
    policy.reset(active)
    while len(active):
        seen = look(env, active, env.perceive(env.observe(active), active)) if policy.observe else {}
        observations = concatenate(seen, policy.observe) if policy.observe else torch.empty(0)
        if tracks:
            _take_down(tracks, env, index, active)
        asked_s = (env.goal_steps[active] + 1).double() * env.control_period_s
        step = env.step(policy.choose(observations, sampling_noise(env, active), active), active)
        for row in torch.nonzero(step.reached).squeeze(1).tolist():
            goal_seconds[int(index[active[row]])].append(float(asked_s[row]))
        ended = torch.nonzero(step.end != End.RUNNING).squeeze(1)
        if tracks and len(ended):
            _take_down(tracks, env, index, active[ended])
        trials: list[Trial] = []
        begun: list[int] = []
        for row in ended.tolist():
            slot = int(active[row])
            trial = int(index[slot])
            trials.append(
                Trial(
                    index=trial,
                    goals=int(step.goals[row]),
                    end=End(int(step.end[row])).name.lower(),
                    seconds=float(env.steps[slot]) * env.control_period_s,
                    goal_seconds=tuple(goal_seconds[trial]),
                )
            )
            following = next(waiting, None)
            if following is not None:
                index[slot] = following
                begun.append(slot)
        if len(ended):
            fresh = torch.tensor(begun, dtype=torch.int64)
            running = torch.ones(len(active), dtype=torch.bool)
            running[ended] = False
            if begun:
                env.begin(fresh, keys[index[fresh]])
                policy.reset(fresh)
            active = torch.cat((active[running], fresh)).sort().values
        yield trials


def _take_down(tracks: Tracks, env: Environment, index: Tensor, rows: Tensor) -> None:
    tracks.add(index[rows], env.physics.qpos[rows], env.goal[rows], env.angle_rad[rows], env.goals[rows])


def score(name: str, trials: Sequence[Trial]) -> dict[str, Any]:
    """The paper's row of one policy: mean, sample standard deviation, median, sorted trials, ends.

    A trial that ended by an error of the simulation is counted as such and is in no mean.

    Args:
        trials: by index.
    """
    by_trial = goals_by_trial(trials)
    goals = sorted((one for one in by_trial if one is not None), reverse=True)
    times = [second for trial in trials if trial.end != _ERROR for second in trial.goal_seconds]
    ends = {end.name.lower(): 0 for end in (End.DROP, End.TIMEOUT, End.FULL, End.ERROR)}
    for trial in trials:
        ends[trial.end] += 1
    return {
        "name": name,
        "mean": statistics.fmean(goals) if goals else None,
        "std": statistics.stdev(goals) if len(goals) > 1 else None,
        "median": statistics.median(goals) if goals else None,
        "interval": interval(goals),
        "trials": goals,
        "by_trial": by_trial,
        "ends": ends,
        "time_per_goal_s": statistics.fmean(times) if times else None,
    }


def goals_by_trial(trials: Sequence[Trial]) -> list[int | None]:
    """Goals of each trial in the order given; None where the simulation failed."""
    return [None if trial.end == _ERROR else trial.goals for trial in trials]

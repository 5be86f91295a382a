#!/usr/bin/env python
"""Small runs whose figures are kept in tests/golden: learning, motion, evaluation.

tools/golden.py [NAME...]            runs them again and tells where a figure left its bounds
tools/golden.py --write [NAME...]    keeps what comes out now; say in the commit why it changed
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch

from dexctl import randomness
from dexctl.evaluate.trials import run_trials
from dexctl.physics.cpu import CpuPhysics
from dexctl.policy.opening import open_policy
from dexctl.policy.weights import from_arrays, to_arrays
from dexctl.ppo.learner import Learner
from dexctl.profile.load import load
from dexctl.reorient.action import num_actuators
from dexctl.reorient.environment import Environment
from dexctl.rollout.collector import Collector
from dexctl.scene.build import build_scene

FOLDER = Path(__file__).parents[1] / "tests" / "golden"
UPDATES = 20
STEPS, EVERY = 200, 10
TRIALS = 6
# Exactly equal on one machine. Elsewhere a last bit may differ, and contacts make much of it with time:
# the beginning is held closely, what follows as far as the figures still tell the same story.
CLOSELY = 0.001
BOUNDS = {"learning": 0.25, "motion": 0.25, "evaluation": 1.0}
_SMALL = [
    *("task.start_random_steps=2", "task.start_bank=8", "task.start_refresh=2"),
    *("rollout.environments=8", "rollout.segment_steps=16", "policy.actor.hidden=[16]", "policy.critic.hidden=[16]"),
    *("ppo.batch_steps=128", "ppo.epochs=1.0", 'ppo.autocast="off"', "physics.threads=1"),
]

# Rows of figures: one an update, a moment, a trial.
Rows = list[list[float]]


def learning(profile_name: str) -> Rows:
    """Mean reward, entropy, losses and divergence of twenty updates of a small training run, in one process."""
    small = [*_SMALL, *(["policy.actor.lstm=8", "policy.critic.lstm=8"] if "lstm" in profile_name else [])]
    profile = load(profile_name, small, {}).profile
    torch.manual_seed(0)
    learner = Learner(profile, num_actuators(profile), seed=0)
    collector = Collector(profile, seed=0, worker=0)
    rows: Rows = []
    while len(rows) < UPDATES:
        from_arrays(collector.actor, to_arrays(learner.actor))
        segment = collector.collect()
        learner.add(segment, 0)
        if learner.ready:
            update = learner.update()
            reward = float(segment["reward"].mean())
            rows.append([reward, update.entropy, update.policy_loss, update.value_loss, update.kl])
    return rows


def motion(profile_name: str) -> Rows:
    """How far the object is from where it was put in m, angle to the goal in rad and mean joint angle in rad.

    Under a wave of actions, as time passes; what is dropped begins anew.
    """
    profile = load(profile_name, ["physics.threads=1"], {}).profile
    scene = build_scene(profile)
    environment = Environment(profile, scene, CpuPhysics(scene, 1, profile.physics), 1)
    only = torch.arange(1)
    spawn = torch.tensor(profile.object.spawn_m, dtype=torch.float64)
    environment.begin(only, randomness.key(0))
    rows: Rows = []
    for step in range(1, STEPS + 1):
        wave = (torch.sin(0.1 * step + torch.arange(environment.num_actuators)) + 1.0) / 2.0
        ended = environment.step((wave * (profile.action.bins - 1)).round().long().unsqueeze(0)).end
        qpos = environment.physics.qpos[0]
        if step % EVERY == 0:
            moved = qpos[scene.object_qpos : scene.object_qpos + 3] - spawn
            joints = qpos[torch.from_numpy(scene.joint_qpos)].mean()
            rows.append([*moved.tolist(), float(environment.angle_rad[0]), float(joints)])
        if bool(ended.any()):
            environment.begin(only, randomness.key(step))
    return rows


def evaluation() -> Rows:
    """Goals in a row and seconds of a few short trials of the policy that ships."""
    policy = open_policy(
        "block-yaw", load("block-yaw", ["evaluate.goal_timeout_s=4.0", "physics.threads=1"], {}).profile
    )
    return [[float(trial.goals), trial.seconds] for trial in run_trials(policy.profile, policy.chooser, TRIALS, 0)]


RUNS: dict[str, Callable[[], Rows]] = {
    "learning-block-yaw": partial(learning, "block-yaw"),
    "learning-block-small-lstm": partial(learning, "block-small-lstm"),
    **{f"motion-{name}": partial(motion, name) for name in ("block", "block-paper", "sphere")},
    "evaluation-block-yaw": evaluation,
}


def differences(name: str, kept: Rows, found: Rows) -> list[str]:
    """Where figures left their bounds, in words.

    The first row is held to CLOSELY, and the mean of each column to the bound of its kind, both relative to what the
    column's figures are in size.
    """
    if [len(row) for row in kept] != [len(row) for row in found]:
        return [f"{name}: {len(found)} rows of {len(found[0])}, not {len(kept)} of {len(kept[0])}"]
    wrong: list[str] = []
    for column, (was, now) in enumerate(zip(zip(*kept, strict=True), zip(*found, strict=True), strict=True)):
        size = max(math.sqrt(sum(one * one for one in was) / len(was)), 1e-3)
        means = sum(was) / len(was), sum(now) / len(now)
        if name.partition("-")[0] != "evaluation" and abs(was[0] - now[0]) > CLOSELY * size:
            wrong.append(f"{name}: column {column} begins with {now[0]:.6g}, not {was[0]:.6g}")
        if not abs(means[0] - means[1]) <= BOUNDS[name.partition("-")[0]] * size:
            wrong.append(f"{name}: column {column} has mean {means[1]:.6g}, not {means[0]:.6g}")
    return wrong


def read(name: str) -> Rows:
    """The figures that are kept."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def write(name: str, rows: Rows) -> None:
    """Keeps figures, a row a line."""
    lines = ",\n".join(json.dumps([float(f"{one:.7g}") for one in row]) for row in rows)
    (FOLDER / f"{name}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Runs, and writes or compares; returns 1 when something left its bounds."""
    torch.set_num_threads(1)
    names = [name for name in arguments if name != "--write"] or list(RUNS)
    wrong: list[str] = []
    for name in names:
        found = RUNS[name]()
        if "--write" in arguments:
            write(name, found)
        else:
            wrong += differences(name, read(name), found)
    sys.stdout.write("".join(f"{line}\n" for line in wrong))
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What randomization costs: environment steps a second with all of it on, over all of it off.

On one thread, with actions at random, observations taken, and every ended episode begun anew from a
bank of starts. ``all_over_none`` is the profile that Figure 8 trains at two-core size, ``paper_all_over_none``
the paper's, with the weaker hand of 2018; ``..._cpu`` are ratios of processor times, which other work
on the machine disturbs less. All four take turns at every step.
``reset_over_step`` is what new physics for 64 of 512 simulations costs, beside a step of all 512,
when each simulation begins an episode every 100 steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from harness import bench

from dexctl import randomness
from dexctl.physics.cpu import CpuPhysics
from dexctl.profile.load import load
from dexctl.reorient.environment import End, Environment
from dexctl.scene.build import build_scene

ENVIRONMENTS, STEPS = 256, 20
SIMULATIONS, RESETS, EPISODE_STEPS = 512, 64, 100
PROFILES = {"": "ablation/all", "paper_": "block-paper"}
SETTINGS = (
    "physics.threads=1",
    "task.start_bank=256",
    "task.start_refresh=8",
    "task.start_random_steps=20",
)
OFF = tuple(f"randomize.{group}.on=false" for group in ("physics", "observation", "unmodeled"))


class Player:
    """An environment whose hands act at random, episode after episode."""

    def __init__(self, name: str, settings: tuple[str, ...] = (), count: int = ENVIRONMENTS) -> None:
        profile = load(name, (*SETTINGS, *settings), {}).profile
        physics = CpuPhysics(build_scene(profile), count + profile.task.start_refresh, profile.physics)
        self.environment = Environment(profile, physics.scene, physics, count)
        self.environment.use_bank(randomness.key(0))
        self.begun = 0
        self.steps = 0
        self.begin(torch.arange(count))

    def begin(self, ids: torch.Tensor) -> None:
        """Begins new episodes."""
        index = torch.arange(self.begun, self.begun + len(ids))
        self.environment.begin(ids, randomness.derive(randomness.key(1).expand(len(ids)), index))
        self.begun += len(ids)

    def step(self) -> None:
        """One control step of all, with what a policy would see, and new episodes where one ended."""
        env, ids = self.environment, torch.arange(self.environment.num_environments)
        key = randomness.derive(randomness.key(2).expand(len(ids)), self.steps, ids)
        step = env.step((randomness.uniform(key, env.num_actuators) * env.profile.action.bins).long())
        ended = torch.nonzero(step.end != End.RUNNING)[:, 0]
        if len(ended):
            self.begin(ended)
        env.perceive(env.observe())
        self.steps += 1


def rates(players: dict[str, Player]) -> Callable[[], dict[str, float]]:
    """Steps of one hand a second of wall and of processor time, of players who take turns step by step."""

    def run() -> dict[str, float]:
        wall, cpu = dict.fromkeys(players, 0.0), dict.fromkeys(players, 0.0)
        begun = {name: player.begun for name, player in players.items()}
        for index in range(STEPS):
            for name in list(players)[:: 1 if index % 2 else -1]:
                wall_before, cpu_before = time.perf_counter(), time.process_time()
                players[name].step()
                wall[name] += time.perf_counter() - wall_before
                cpu[name] += time.process_time() - cpu_before
        done = STEPS * ENVIRONMENTS
        return (
            {f"{name}_steps_per_s": done / spent for name, spent in wall.items()}
            | {f"{name}_steps_per_cpu_s": done / spent for name, spent in cpu.items()}
            | {f"{name}_ended_share": (player.begun - begun[name]) / done for name, player in players.items()}
        )

    return run


def resets(player: Player) -> Callable[[], dict[str, float]]:
    """Processor time of new episodes for a few, shared out over their steps, and of a step of all."""

    def run() -> dict[str, float]:
        started = time.process_time()
        player.begin(torch.arange(0, SIMULATIONS, SIMULATIONS // RESETS))
        reset_s = time.process_time() - started
        started = time.process_time()
        player.environment.physics.step(torch.arange(SIMULATIONS))
        step_s = time.process_time() - started
        share = SIMULATIONS / RESETS / EPISODE_STEPS
        return {"reset_s": reset_s, "reset_s_a_step": reset_s * share, "step_s": step_s}

    return run


if __name__ == "__main__":
    torch.set_num_threads(1)
    players = {
        f"{prefix}{kind}": Player(name, settings)
        for prefix, name in PROFILES.items()
        for kind, settings in (("all", ()), ("none", OFF))
    }
    ratios = {
        f"{prefix}all_over_none{suffix}": (f"{prefix}all_steps_per{suffix}_s", f"{prefix}none_steps_per{suffix}_s")
        for prefix in PROFILES
        for suffix in ("", "_cpu")
    }
    bench(
        "randomize",
        [rates(players), resets(Player("block-paper", count=SIMULATIONS))],
        {**ratios, "reset_over_step": ("reset_s_a_step", "step_s")},
    )

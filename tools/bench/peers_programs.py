"""The sides of the peers bench, each a process in an environment of its own.

``python peers_programs.py ROLE CORES AMOUNT``: a role is a function of this file, which imports what its
environment has and prints what it measured as one line of JSON.
"""

from __future__ import annotations

import itertools
import json
import math
import resource
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gymnasium.vector import VectorEnv

# The same for both learners: so little is spent on starts.
SETTINGS = ("task.start_bank=128", "task.start_random_steps=20")
HANDS = 128
LEARNER = "block-small-lstm"


def gymnasium_robotics(cores: int, seconds: int) -> dict[str, float]:
    """Its block environment, a process a core, for so many simulated seconds."""
    import gymnasium
    import gymnasium_robotics as robotics

    gymnasium.register_envs(robotics)

    def make() -> Any:
        gymnasium.register_envs(robotics)
        return gymnasium.make("HandManipulateBlock-v1")

    alone = make()
    period_s = float(alone.unwrapped.dt)
    alone.close()
    envs = gymnasium.vector.AsyncVectorEnv([make] * cores)
    measured = _simulated(envs, period_s, seconds)
    envs.close()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {**measured, "memory_mib": measured["memory_mib"] + cores * peak / 1024}


def envpool(cores: int, seconds: int) -> dict[str, float]:
    """EnvPool's version of it, a thread a core."""
    import envpool
    import gymnasium
    import numpy as np

    envs = envpool.make_gymnasium("HandManipulateBlock-v1", num_envs=HANDS, num_threads=cores, seed=0)
    space = gymnasium.vector.utils.batch_space(envs.action_space, HANDS)
    space.seed(0)
    envs.reset()
    actions = itertools.cycle([space.sample().astype(np.float64) for _ in range(100)])
    # Gymnasium-Robotics' own: 20 steps of 2 ms.
    return _played(lambda: envs.step(next(actions)), HANDS * 0.04, seconds)


def ours(cores: int, seconds: int) -> dict[str, float]:
    """Our block environment through the same interface, a thread a core."""
    import gymnasium
    import torch

    import dexctl.gym
    from dexctl.profile.load import load

    torch.set_num_threads(1)
    settings = (*SETTINGS, f"physics.threads={cores}")
    physics = load(dexctl.gym.PROFILE, settings).profile.physics
    envs = gymnasium.make_vec(dexctl.gym.BLOCK, num_envs=HANDS, settings=settings)
    return _simulated(envs, physics.timestep_s * physics.substeps, seconds)


def _simulated(envs: VectorEnv[Any, Any, Any], period_s: float, seconds: int) -> dict[str, float]:
    """Random actions for so many simulated seconds of all environments together, episodes begun anew among them."""
    envs.reset(seed=0)
    envs.action_space.seed(0)
    actions = itertools.cycle([envs.action_space.sample() for _ in range(100)])
    return _played(lambda: envs.step(next(actions)), envs.num_envs * period_s, seconds)


def _played(step: Callable[[], object], step_s: float, seconds: int) -> dict[str, float]:
    """Simulated seconds per second of a step that simulates ``step_s``, all environments together."""
    steps = math.ceil(seconds / step_s)
    started_s = time.perf_counter()
    for _ in range(steps):
        step()
    wall_s = time.perf_counter() - started_s
    memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"simulated_s_per_s": steps * step_s / wall_s, "memory_mib": memory_mib}


def recurrent_ppo(cores: int, updates: int) -> dict[str, float]:
    """RecurrentPPO on our environment: batch, passes, minibatches and sizes of layers as in ``block-small-lstm``.

    It puts the LSTM before the dense layer, and its value function sees what the policy sees.
    """
    import gymnasium
    import numpy as np
    import torch
    from sb3_contrib import RecurrentPPO
    from stable_baselines3.common.vec_env import VecEnv

    import dexctl.gym
    from dexctl.profile.load import load

    settings = (*SETTINGS, f"physics.threads={cores}")
    profile = load(LEARNER, settings).profile
    steps = profile.rollout.segment_steps
    torch.set_num_threads(cores)

    class Hands(VecEnv):
        """Our hands as Stable-Baselines3 wants them."""

        def __init__(self, count: int) -> None:
            self.envs = gymnasium.make_vec(dexctl.gym.BLOCK, num_envs=count, profile=LEARNER, settings=settings)
            self.envs.reset(seed=0)
            super().__init__(count, self.envs.single_observation_space, self.envs.single_action_space)

        def reset(self) -> Any:
            return self.envs.reset()[0]

        def step_async(self, actions: Any) -> None:
            self._actions = actions

        def step_wait(self) -> Any:
            seen, reward, terminated, truncated, info = self.envs.step(self._actions)
            infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
            for hand in np.flatnonzero(terminated | truncated):
                infos[hand] = {
                    "terminal_observation": info["final_obs"][hand],
                    "TimeLimit.truncated": bool(truncated[hand]),
                }
            return seen, reward.astype(np.float32), terminated | truncated, infos

        def close(self) -> None:
            self.envs.close()

        def get_attr(self, *_: Any) -> list[Any]:
            return [None] * self.num_envs

        def env_is_wrapped(self, *_: Any) -> list[bool]:
            return [False] * self.num_envs

        def set_attr(self, *_: Any) -> None:
            raise AttributeError

        env_method = set_attr

    network = profile.policy.actor
    learner = RecurrentPPO(
        "MlpLstmPolicy",
        Hands(profile.ppo.batch_steps // steps),
        n_steps=steps,
        batch_size=profile.ppo.batch_steps // profile.ppo.minibatches,
        n_epochs=round(profile.ppo.epochs),
        policy_kwargs={"lstm_hidden_size": network.lstm, "net_arch": list(network.hidden)},
        device="cpu",
    )
    started_s = time.perf_counter()
    learner.learn(updates * profile.ppo.batch_steps)
    wall_s = time.perf_counter() - started_s
    memory_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"trained_steps_per_s": learner.num_timesteps / wall_s, "memory_mib": memory_mib}


def make_hands(_: str, config: Any, *_more: Any, **_options: Any) -> Any:
    """Our hands as a worker of Sample Factory wants them: as many agents of one environment."""
    import gymnasium

    import dexctl.gym

    def inner(wrapper: Any, name: str) -> Any:
        if name == "env" or name.startswith("_"):
            raise AttributeError(name)
        return getattr(wrapper.env, name)

    # As in Gymnasium before 1.0: through its own wrappers it asks for the number of agents.
    gymnasium.Wrapper.__getattr__ = inner

    class Hands(gymnasium.Env[Any, Any]):
        """They begin anew by themselves."""

        def __init__(self) -> None:
            settings = (*SETTINGS, "physics.threads=1")
            self.envs = gymnasium.make_vec(dexctl.gym.BLOCK, num_envs=config.hands, profile=LEARNER, settings=settings)
            self.num_agents, self.is_multiagent = config.hands, True
            self.observation_space = self.envs.single_observation_space
            bins: Any = self.envs.single_action_space
            self.action_space = gymnasium.spaces.Tuple([gymnasium.spaces.Discrete(int(n)) for n in bins.nvec])

        def reset(self, **options: Any) -> Any:
            return self.envs.reset(seed=options.get("seed"))[0], {}

        def step(self, action: Any) -> Any:
            return *self.envs.step(action)[:4], {}

        def close(self) -> None:
            self.envs.close()

    return Hands()


def sample_factory(cores: int, updates: int) -> dict[str, float]:
    """Its asynchronous PPO on our environment: a worker a core, each with two sets of hands that take turns.

    Batch, passes, minibatches and sizes of layers as in ``block-small-lstm``; policy and value function are one
    network with two heads, half of ours: of two, its LSTM cannot learn.
    """
    import tempfile

    import torch
    from sample_factory.algo.runners.runner import AlgoObserver
    from sample_factory.cfg.arguments import parse_full_cfg, parse_sf_args
    from sample_factory.envs.env_utils import register_env
    from sample_factory.train import make_runner

    from dexctl.profile.load import load

    torch.set_num_threads(cores)
    profile = load(LEARNER, SETTINGS).profile
    network, ppo, steps = profile.policy.actor, profile.ppo, profile.rollout.segment_steps
    seen: list[tuple[float, int]] = []

    class Clock(AlgoObserver):
        """When so many steps had been trained on."""

        def on_training_step(self, runner: Any, _iteration: int) -> None:
            seen.append((time.perf_counter(), sum(runner.env_steps.values())))

    with tempfile.TemporaryDirectory() as folder:
        options = {
            "env": "hands",
            "experiment": "peer",
            "train_dir": folder,
            "device": "cpu",
            "seed": 0,
            "async_rl": True,
            "serial_mode": False,
            "batched_sampling": True,
            "with_wandb": False,
            "num_workers": cores,
            "num_envs_per_worker": 2,
            "worker_num_splits": 2,
            "rollout": steps,
            "recurrence": ppo.chunk_steps,
            "use_rnn": True,
            "rnn_type": "lstm",
            "rnn_size": network.lstm,
            "rnn_num_layers": 1,
            "nonlinearity": network.activation,
            "normalize_input": True,
            "batch_size": ppo.batch_steps // ppo.minibatches,
            "num_batches_per_epoch": ppo.minibatches,
            "num_epochs": round(ppo.epochs),
            "train_for_env_steps": (updates + 2) * ppo.batch_steps,
            "decorrelate_envs_on_one_worker": False,
            "decorrelate_experience_max_seconds": 0,
        }
        words = [f"--{name}={value}" for name, value in options.items()]
        words += ["--encoder_mlp_layers", *map(str, network.hidden)]
        register_env("hands", make_hands)
        parser, _ = parse_sf_args(words)
        parser.add_argument("--hands", type=int, default=ppo.batch_steps // steps // (2 * cores))
        _, runner = make_runner(parse_full_cfg(parser, words))
        runner.register_observer(Clock())
        runner.init()
        runner.run()
    (began_s, before), (ended_s, after) = seen[0], seen[-1]
    itself, others = (
        resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {"trained_steps_per_s": (after - before) / (ended_s - began_s), "memory_mib": itself + cores * others}


if __name__ == "__main__":
    roles = {role.__name__: role for role in (gymnasium_robotics, ours, envpool, recurrent_ppo, sample_factory)}
    print(json.dumps(roles[sys.argv[1]](int(sys.argv[2]), int(sys.argv[3]))))

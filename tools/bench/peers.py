"""Beside what people would use instead, in one run, on the same cores, each from PyPI in an environment of its own.

``simulated_time_over_gymnasium_robotics``: the same count of simulated seconds of a hand and a block under
random actions, their AsyncVectorEnv with a process a core, our vector environment with a thread a core.
``trained_over_sample_factory``, ``trained_over_recurrent_ppo``: environment steps trained on per second, our optimizer
with a worker a core beside Sample Factory's asynchronous PPO with as many, and beside RecurrentPPO of sb3-contrib, same
environment, batch and sizes of layers. The environments are made when they are missing and kept in the cache folder
(``XDG_CACHE_HOME``). What cannot be installed or does not run is in the table with the reason.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

from harness import Case, bench
from train import train

from dexctl.console.machine import usable_cores

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).with_name("peers_programs.py")
LEARNER = "block-small-lstm"
SIMULATED_S = 480
UPDATES = 3
# Sample Factory waits for ever when one of its processes fails.
PATIENCE_S = 1800.0
# Gymnasium-Robotics' block environment fails an assertion on MuJoCo 3.4 and later.
ROBOTICS = ("gymnasium-robotics==1.4.2", "gymnasium==1.4.0", "mujoco<3.4")
ENVPOOL = ("envpool==1.2.5", "gymnasium==1.4.0")
DEXCTL = ("-c", str(ROOT / "constraints.txt"), "-e", str(ROOT))
SB3 = ("sb3-contrib==2.9.2", *DEXCTL)
# It asks for NumPy below 2 and Gymnasium below 1, and pip, told of ours, goes back to a version of 2021 with another
# interface. It works with the newer ones: what it needs is installed first, and it without a look at its wishes.
SAMPLE_FACTORY_NEEDS = (
    *("tensorboardx", "tensorboard", "psutil", "threadpoolctl", "colorlog", "signal-slot-mp<2", "filelock"),
    *("opencv-python-headless", "huggingface-hub<1", *DEXCTL),
)
SAMPLE_FACTORY = ("--no-deps", "sample-factory==2.1.1")
ABSENT: dict[str, str] = {}


def environment(name: str, *installs: tuple[str, ...]) -> Path:
    """The Python of a peer's own environment, made when it is missing or was made of other installs than these."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "dexctl", "peers", name)
    python, made_for = folder / "bin" / "python", folder / "made-for"
    if not made_for.exists() or made_for.read_text(encoding="utf-8") != repr(installs):
        venv.create(folder, clear=True, with_pip=True)
        for requirements in installs:
            subprocess.run([python, "-m", "pip", "install", "--quiet", *requirements], check=True, stdout=sys.stderr)
        made_for.write_text(repr(installs), encoding="utf-8")
    return python


def told(python: str | Path, role: str, amount: int) -> dict[str, float]:
    """What a role measured on all cores, by names that begin with its own."""
    command = [python, PROGRAMS, role, str(usable_cores()), str(amount)]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=PATIENCE_S).stdout
    return {f"{role}_{name}": value for name, value in json.loads(printed.splitlines()[-1]).items()}


def simulated(python: str | Path, role: str) -> dict[str, float]:
    """Simulated seconds per second of a role, of all cores and of each."""
    measured = told(python, role, SIMULATED_S)
    return {**measured, f"{role}_per_core": measured[f"{role}_simulated_s_per_s"] / usable_cores()}


def gymnasium_robotics() -> dict[str, float]:
    """Gymnasium-Robotics' hand and block."""
    return simulated(environment("gymnasium-robotics", ROBOTICS), "gymnasium_robotics")


def envpool() -> dict[str, float]:
    """EnvPool's version of Gymnasium-Robotics' hand and block."""
    return simulated(environment("envpool", ENVPOOL), "envpool")


def attempt(case: Case, name: str) -> list[Case]:
    """The case if a peer runs here; otherwise none, and the reason goes among those that are absent."""
    try:
        case()
    except subprocess.SubprocessError as error:
        ABSENT[name] = "it does not run here: " + str(error).rpartition("' ")[2]
        return []
    return [case]


def ours() -> dict[str, float]:
    """Ours, through Gymnasium."""
    return simulated(sys.executable, "ours")


def recurrent_ppo() -> dict[str, float]:
    """RecurrentPPO of sb3-contrib on our environment."""
    return told(environment("sb3-contrib", SB3), "recurrent_ppo", UPDATES)


def sample_factory() -> dict[str, float]:
    """Sample Factory's asynchronous PPO on our environment."""
    return told(environment("sample-factory", SAMPLE_FACTORY_NEEDS, SAMPLE_FACTORY), "sample_factory", UPDATES)


def optimize() -> dict[str, float]:
    """Our own learner."""
    return {"optimize_trained_steps_per_s": train(LEARNER)["trained_steps_per_s"]}


def main() -> None:
    """Sees which of those that need luck run here, and measures all."""
    ours_over = {
        "simulated_time_over_gymnasium_robotics": ("ours_simulated_s_per_s", "gymnasium_robotics_simulated_s_per_s"),
        "trained_over_recurrent_ppo": ("optimize_trained_steps_per_s", "recurrent_ppo_trained_steps_per_s"),
    }
    simulators = attempt(envpool, "envpool")
    if simulators:
        ours_over["simulated_time_over_envpool"] = ("ours_simulated_s_per_s", "envpool_simulated_s_per_s")
    learners = attempt(sample_factory, "sample_factory")
    if learners:
        ours_over["trained_over_sample_factory"] = (
            "optimize_trained_steps_per_s",
            "sample_factory_trained_steps_per_s",
        )
    cases = [gymnasium_robotics, ours, *simulators, *learners, recurrent_ppo, optimize]
    bench("peers", cases, ours_over, num_warm_ups=0, absent=ABSENT)


if __name__ == "__main__":
    main()

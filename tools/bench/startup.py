"""How long help takes: ``dexctl --help`` and ``dexctl optimize --help`` beside a Python that does nothing."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import time

from harness import bench

DEXCTL = f"{sysconfig.get_path('scripts')}/dexctl"


def python() -> dict[str, float]:
    """A bare interpreter."""
    return {"python_s": _seconds(sys.executable, "-c", "pass")}


def dexctl_help() -> dict[str, float]:
    """The list of commands."""
    return {"help_s": _seconds(DEXCTL, "--help")}


def optimize_help() -> dict[str, float]:
    """The help of the command with the heaviest imports."""
    return {"optimize_help_s": _seconds(DEXCTL, "optimize", "--help")}


def _seconds(*command: str) -> float:
    start_s = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start_s


if __name__ == "__main__":
    bench(
        "startup",
        [python, dexctl_help, optimize_help],
        {"help_over_python": ("help_s", "python_s"), "optimize_help_over_python": ("optimize_help_s", "python_s")},
    )

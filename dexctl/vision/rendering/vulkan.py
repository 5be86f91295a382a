"""Whether this machine has Vulkan, and a Filament context on it."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from dexctl.errors import UnavailableError
from dexctl.scene import cures

_TIMEOUT_S = 120
_PROBE = """
import mujoco.studio._studio
from mujoco import mjrf
mjrf.Context(mjrf.ContextConfig())
"""


def probe() -> str:
    """Opens a context in a process of its own, and gives its device's name.

    Raises:
        UnavailableError: it failed.
    """
    try:
        tried = subprocess.run(
            [sys.executable, "-c", _PROBE], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"no Vulkan within {_TIMEOUT_S} s", cures.VULKAN) from error
    said = (tried.stdout + tried.stderr).strip().splitlines() or [f"ended with code {tried.returncode}"]
    if tried.returncode:
        reasons = [line for line in said if line.startswith(("reason:", "Unable", "ImportError"))]
        raise UnavailableError(f"this machine cannot draw with Vulkan: {(reasons or said)[-1]}", cures.VULKAN)
    found = re.search(r"physical device '(.*?)'", "\n".join(said))
    return found[1] if found else "unknown"


def open_context() -> Any:
    """Opens a Filament context, ``mjrf.Context``; where there is no Vulkan, that ends the process: ``probe`` first."""
    # Registers the materials that Filament draws with.
    import mujoco.studio._studio  # noqa: F401
    from mujoco import mjrf

    with _quiet():
        return mjrf.Context(mjrf.ContextConfig())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    # Filament tells about its engine on stdout, which is for data.
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)

"""What works on this machine, found out by trying, each failure with its cure."""

from __future__ import annotations

import dataclasses
import os
import platform
import subprocess
import sys
import tempfile
from importlib import metadata, util
from pathlib import Path
from typing import Literal

from dexctl.errors import DexctlError, UnavailableError
from dexctl.scene import cures

PACKAGES = (
    "dexctl", "mujoco", "mujoco-warp", "torch", "numpy", "zarr", "pyzmq", "msgspec", "safetensors",
    "gymnasium-robotics", "imageio-ffmpeg", "matplotlib", "typer", "rich",
)  # fmt: skip
_OPTIONAL_PACKAGES = {"mujoco-warp"}
_REINSTALL = "Install dexctl again with its dependencies: pip install -c constraints.txt dexctl"
_GL_TIMEOUT_S = 120

# Rendering in a process of its own: a broken driver takes the process with it.
_GL_PROBE = """
import mujoco
model = mujoco.MjModel.from_xml_string(
    "<mujoco><worldbody><light pos='0 0 2'/><geom size='.2'/></worldbody></mujoco>")
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
with mujoco.Renderer(model, 32, 32) as renderer:
    renderer.update_scene(data)
    lit = bool(renderer.render().any())
    from OpenGL import GL
    name = GL.glGetString(GL.GL_RENDERER).decode()
print(name if lit else "draws only black")
raise SystemExit(not lit)
"""


@dataclasses.dataclass(frozen=True)
class Check:
    """One thing that was tried.

    Attributes:
        state: ``ok``; ``failed`` for what is needed; ``absent`` for what one can do without.
        found: what was found, or how it failed.
        cure: what to do about it, empty when ok.
    """

    name: str
    state: Literal["ok", "failed", "absent"]
    found: str
    cure: str = ""


def check_machine(runs: Path) -> list[Check]:
    """Tries everything that the commands need.

    Args:
        runs: where run folders are to be made.
    """
    return [
        *check_packages(),
        check_cores(),
        *check_torch(),
        check_gl(),
        check_vulkan(),
        check_video(),
        check_port(),
        check_curve(),
        check_writable(runs),
        check_profiles(),
    ]


def check_packages() -> list[Check]:
    """Version of Python and of each package, or that it is missing."""
    checks = [Check("python", "ok", platform.python_version())]
    for name in PACKAGES:
        try:
            checks.append(Check(name, "ok", metadata.version(name)))
        except metadata.PackageNotFoundError:
            optional = name in _OPTIONAL_PACKAGES
            cure = "For simulation on a GPU: pip install 'dexctl[gpu]'" if optional else _REINSTALL
            checks.append(Check(name, "absent" if optional else "failed", "not installed", cure))
    return checks


def check_cores() -> Check:
    """Cores that this process may use."""
    return Check("cores", "ok", f"{usable_cores()} of {os.cpu_count()}")


def usable_cores() -> int:
    """Number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_torch() -> list[Check]:
    """Threads, bfloat16 and GPU of torch, if it can be imported."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return [Check("torch threads", "failed", f"torch cannot be imported: {error}", _REINSTALL)]
    checks = [Check("torch threads", "ok", str(torch.get_num_threads()))]
    flags = _processor_flags()
    names = [name for name in ("amx_bf16", "avx512_bf16") if name in flags]
    if names:
        checks.append(Check("bfloat16", "ok", f"the processor has {', '.join(names)}"))
    else:
        cure = "None is needed: learning uses float32, at about a third of the speed."
        checks.append(Check("bfloat16", "absent", "not in this processor", cure))
    if torch.cuda.is_available():
        checks.append(Check("gpu", "ok", torch.cuda.get_device_name(0)))
    else:
        checks.append(
            Check("gpu", "absent", "none that torch can use", "None is needed: everything runs on the processor.")
        )
    return checks


def check_gl() -> Check:
    """Renders one frame off screen, in another process."""
    backend = os.environ.get("MUJOCO_GL", "egl")
    cure = f"{cures.GL} Without it policies can be trained, pictures and videos cannot be made."
    try:
        probe = subprocess.run(
            [sys.executable, "-c", _GL_PROBE],
            env={**os.environ, "MUJOCO_GL": backend},
            capture_output=True,
            text=True,
            timeout=_GL_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Check("gl", "failed", f"{backend}: no frame within {_GL_TIMEOUT_S} s", cure)
    if probe.returncode == 0:
        return Check("gl", "ok", f"{backend}: {probe.stdout.strip()}")
    lines = (probe.stdout + probe.stderr).strip().splitlines() or [f"ended with code {probe.returncode}"]
    wrong = [line for line in lines if "Error" in line and "Exception ignored" not in line]
    return Check("gl", "failed", f"{backend}: {(wrong or lines)[-1]}", cure)


def check_vulkan() -> Check:
    """Opens a context of MuJoCo's second renderer, in another process."""
    from dexctl.vision.rendering.vulkan import probe

    try:
        return Check("vulkan", "ok", probe())
    except UnavailableError as error:
        return Check("vulkan", "absent", error.args[0], error.remedy)


def check_video() -> Check:
    """Finds the program that writes videos."""
    try:
        import imageio_ffmpeg

        return Check("video", "ok", f"ffmpeg {imageio_ffmpeg.get_ffmpeg_version()}")
    except (ImportError, RuntimeError, OSError) as error:
        return Check("video", "failed", str(error).partition("\n")[0], _REINSTALL)


def check_port() -> Check:
    """Binds a free port of the loopback, as workers and optimizer do."""
    import zmq

    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.linger = 0
        try:
            router.bind("tcp://127.0.0.1:0")
        except zmq.ZMQError as error:
            cure = "A firewall or container forbids it: allow TCP on 127.0.0.1."
            return Check("port", "failed", f"tcp://127.0.0.1:0: {error}", cure)
        return Check("port", "ok", router.getsockopt_string(zmq.LAST_ENDPOINT))


def check_curve() -> Check:
    """Whether sockets can be encrypted, which they must be off loopback."""
    import zmq

    if zmq.has("curve"):
        return Check("curve", "ok", f"ZeroMQ {zmq.zmq_version()}")
    return Check("curve", "absent", "this ZeroMQ was built without it", "For several machines: pip install pyzmq")


def check_writable(runs: Path) -> Check:
    """Makes a file where run folders are to stand, and takes it away."""
    nearest = next(folder for folder in (runs, *runs.absolute().parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return Check("runs", "ok", f"{runs}: can be written to")
    except OSError as error:
        return Check("runs", "failed", f"{nearest}: {error.strerror}", "Work in a folder of yours, or give --runs one.")


def check_profiles() -> Check:
    """Reads the shipped profiles, and finds the model of the hand that they use."""
    from dexctl.profile.load import names

    try:
        whole = [one.name for one in names() if not one.part]
    except DexctlError as error:
        return Check("profiles", "failed", str(error).partition("\n")[0], error.remedy or _REINSTALL)
    if not whole:
        return Check("profiles", "failed", "none found", _REINSTALL)
    if util.find_spec("gymnasium_robotics") is None:
        return Check("profiles", "failed", "the hand's model is not installed", _REINSTALL)
    return Check("profiles", "ok", ", ".join(whole))


def _processor_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return {flag for line in lines if line.startswith("flags") for flag in line.split()}

"""A failing simulation, written down so that it can be stepped again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import mujoco
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from dexctl.errors import DataError

FORMAT = "dexctl-failure"
# A share is not judged before this many control steps, nor for a single failure.
_STEPS_BEFORE_JUDGING = 10_000


def check_share(failures: int, steps: int, allowed: float, dump_folder: Path | None) -> None:
    """Ends a run in which more simulations fail than the profile allows.

    Args:
        failures: so far; steps: control steps so far.
        allowed: the profile's share.
        dump_folder: where failures were written down.

    Raises:
        DataError: more than the share failed.
    """
    if steps > _STEPS_BEFORE_JUDGING and failures > max(1, allowed * steps):
        raise DataError(
            f"{failures} of {steps} steps of simulation failed, more than the share of "
            f"{allowed:g} that physics.failure_share allows",
            f"Look at one in {dump_folder or 'a folder for dumps'} with dexctl inspect, or step more finely.",
        )


def count_warnings_silently() -> None:
    """Leaves MuJoCo's warnings to its counters: its own handler writes a log where the process stands."""
    mujoco.set_mju_user_warning(_hear_nothing)


def _hear_nothing(warning: str) -> None:
    pass


def write_failure(path: Path, model: mujoco.MjModel, state: np.ndarray, substeps: int, warnings: np.ndarray) -> None:
    """Writes one simulation as it stood before the failing step.

    Args:
        path: a safetensors file; its folder is made.
        model: with the simulation's own fields (randomized masses and so on).
        state: the ``mjSTATE_INTEGRATION`` row, controls included.
        substeps: physics steps of the failing control step.
        warnings: MuJoCo's counters by ``mjtWarning``, (7,).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    size = mujoco.mj_sizeModel(model)
    compiled = np.empty(size, np.uint8)
    mujoco.mj_saveModel(model, None, compiled)
    raised = {mujoco.mjtWarning(i).name: int(count) for i, count in enumerate(warnings) if count}
    state = np.ascontiguousarray(state)
    metadata = {
        "format": FORMAT,
        "checksum": _checksum(compiled, state, substeps),
        "substeps": str(substeps),
        "mujoco": mujoco.__version__,
        "warnings": json.dumps(raised),
    }
    save_file({"model": compiled, "state": state}, path, metadata=metadata)


def _checksum(compiled: np.ndarray, state: np.ndarray, substeps: int) -> str:
    """MuJoCo trusts a compiled model: one with a flipped bit could end the process."""
    digest = hashlib.blake2b(f"{substeps} {state.shape}".encode(), digest_size=16)
    digest.update(compiled.tobytes())
    digest.update(state.tobytes())
    return digest.hexdigest()


def is_failure(path: Path) -> bool:
    """Whether a file is one that ``write_failure`` wrote."""
    try:
        with safe_open(path, "numpy") as file:
            return (file.metadata() or {}).get("format") == FORMAT
    except (SafetensorError, OSError, ValueError):
        return False


def replay_failure(path: Path) -> dict[str, int]:
    """Steps a written simulation again and returns MuJoCo's warnings by name.

    Raises:
        DataError: the file is not such a one, or of another version of MuJoCo.
    """
    try:
        with safe_open(path, "numpy") as file:
            metadata = file.metadata() or {}
            compiled, state = file.get_tensor("model"), file.get_tensor("state")
        substeps = int(metadata.get("substeps", ""))
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: not a failure that dexctl wrote: {error}") from error
    if metadata.get("format") != FORMAT or metadata.get("mujoco") != mujoco.__version__:
        raise DataError(f"{path}: written by MuJoCo {metadata.get('mujoco')}, this is {mujoco.__version__}")
    if metadata.get("checksum") != _checksum(compiled, state, substeps):
        raise DataError(f"{path}: damaged: its checksum does not fit its content")
    count_warnings_silently()
    model = mujoco.MjModel.from_binary_path("failure.mjb", {"failure.mjb": compiled.tobytes()})
    data = mujoco.MjData(model)
    mujoco.mj_setState(model, data, state, mujoco.mjtState.mjSTATE_INTEGRATION)
    for _ in range(substeps):
        mujoco.mj_step(model, data)
    return {mujoco.mjtWarning(i).name: int(w.number) for i, w in enumerate(data.warning) if w.number}

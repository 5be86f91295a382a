"""A failing simulation, written down so that it can be stepped again."""

from __future__ import annotations

import json
from pathlib import Path

import mujoco
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from dexctl.errors import DataError

FORMAT = "dexctl-failure"


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
    metadata = {
        "format": FORMAT,
        "substeps": str(substeps),
        "mujoco": mujoco.__version__,
        "warnings": json.dumps(raised),
    }
    save_file({"model": compiled, "state": np.ascontiguousarray(state)}, path, metadata=metadata)


def is_failure(path: Path) -> bool:
    """Whether a file is one that ``write_failure`` wrote."""
    try:
        with safe_open(path, "numpy") as file:
            return (file.metadata() or {}).get("format") == FORMAT
    except (SafetensorError, OSError):
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
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: not a failure that dexctl wrote: {error}") from error
    if metadata.get("format") != FORMAT or metadata.get("mujoco") != mujoco.__version__:
        raise DataError(f"{path}: written by MuJoCo {metadata.get('mujoco')}, this is {mujoco.__version__}")
    count_warnings_silently()
    model = mujoco.MjModel.from_binary_path("failure.mjb", {"failure.mjb": compiled.tobytes()})
    data = mujoco.MjData(model)
    mujoco.mj_setState(model, data, state, mujoco.mjtState.mjSTATE_INTEGRATION)
    for _ in range(int(metadata["substeps"])):
        mujoco.mj_step(model, data)
    return {mujoco.mjtWarning(i).name: int(w.number) for i, w in enumerate(data.warning) if w.number}

"""What a path holds, told from its content and never from its name alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dexctl.console.run_folder import EVENTS, LOCK, PROFILE
from dexctl.errors import DataError, MissingError
from dexctl.evaluate.curve import read_iterations
from dexctl.physics.failure import is_failure, replay_failure
from dexctl.policy import checkpoint
from dexctl.profile.load import load
from dexctl.vision.learner import NETWORK

_SECONDS_PER_YEAR = 365.25 * 24 * 3600


def describe(path: Path) -> dict[str, Any]:
    """What is at a path, as plain values; what is damaged says so as an error.

    Raises:
        MissingError: there is nothing.
        DataError: nothing of dexctl's, or damaged.
        ProtocolError: written by another version.
        ProfileError: a profile that is wrong.
    """
    if not path.exists():
        raise MissingError(f"{path}: no such file or folder")
    if path.is_dir():
        return _run(path)
    if path.suffix == ".toml":
        loaded = load(str(path))
        return {"what": "profile", "description": loaded.profile.description, "digest": loaded.digest}
    if is_failure(path):
        return {"what": "failing simulation", "replayed": replay_failure(path)}
    return _checkpoint(path)


def _run(path: Path) -> dict[str, Any]:
    if not (path / LOCK).exists() and not checkpoint.listed(path):
        raise DataError(f"{path}: not a run folder, and no checkpoint in it")
    found: dict[str, Any] = {"what": "run", "checkpoints": [str(one) for one in checkpoint.listed(path)]}
    if (path / EVENTS).exists():
        iterations = read_iterations(path / EVENTS)
        found["updates"] = len(iterations)
        if iterations:
            last = iterations[-1]
            found |= {key: last.get(key) for key in ("steps", "elapsed_s", "goals", "reward", "entropy")}
    if (path / PROFILE).exists():
        found["digest"] = load(str(path / PROFILE)).digest
    if found["checkpoints"]:
        found["newest"] = _checkpoint(checkpoint.newest(path))
    return found


def _checkpoint(path: Path) -> dict[str, Any]:
    saved = checkpoint.read(path)
    profile, progress = saved.profile, saved.header.progress
    if saved.module(NETWORK):
        return _estimator(saved)
    period_s = profile.physics.timestep_s * profile.physics.substeps
    return {
        "what": "checkpoint",
        "path": str(path),
        "profile": profile.description,
        "digest": saved.header.digest,
        "actor": profile.policy.actor.kind,
        "critic": profile.policy.critic.kind,
        "parameters": sum(t.numel() for n, t in saved.tensors.items() if n.startswith(("actor.", "critic."))),
        "updates": progress.version - 1,
        "steps": progress.steps,
        "simulated_years": progress.steps * period_s / _SECONDS_PER_YEAR,
        "trained_s": progress.seconds,
        "written_by": saved.header.dexctl,
    }


def _estimator(saved: checkpoint.Checkpoint) -> dict[str, Any]:
    vision, progress = saved.profile.vision, saved.header.progress
    assert vision is not None, "an estimator's profile has a table for it"
    return {
        "what": "pose estimator",
        "path": str(saved.path),
        "profile": saved.profile.description,
        "digest": saved.header.digest,
        "cameras": ", ".join(saved.profile.cameras),
        "image_px": vision.image_px,
        "rotation": vision.network.rotation,
        "parameters": sum(tensor.numel() for tensor in saved.module(NETWORK).values()),
        "batches": progress.version,
        "states": progress.steps,
        "trained_s": progress.seconds,
        "written_by": saved.header.dexctl,
    }

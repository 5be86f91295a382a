"""What a path holds, told from its content and never from its name alone."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from dexctl.console.output import Cell, Table
from dexctl.console.run_folder import EVENTS, LOCK, PROFILE
from dexctl.errors import DataError, MissingError
from dexctl.evaluate.curve import read_iterations
from dexctl.physics.failure import is_failure, replay_failure
from dexctl.policy import CHECKPOINTS, checkpoint
from dexctl.ppo.window import SECONDS_PER_YEAR
from dexctl.profile.load import load
from dexctl.store.opening import is_dataset, open_dataset
from dexctl.vision.learner import NETWORK

_KNOWN = "It knows runs, checkpoints, datasets, failing simulations and profiles."
# Rows of a dataset are read through so many bytes at a time.
_READ_BYTES = 64 << 20
_LIST_WIDTH = 80
# An event is one short line.
_EVENT_BYTES = 1 << 16


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
        return _dataset(path) if is_dataset(path) else _run(path)
    if path.suffix == ".toml":
        loaded = load(str(path))
        return {"what": "profile", "description": loaded.profile.description, "digest": loaded.digest}
    if path.suffix != checkpoint.SUFFIX:
        _check_beginning(path)
    if is_failure(path):
        return {"what": "failing simulation", "replayed": replay_failure(path)}
    return _checkpoint(path)


def tables(found: Mapping[str, Any]) -> list[Table]:
    """What ``describe`` found, for people: nested values by dotted names, arrays in a table of their own."""
    plain = {key: value for key, value in found.items() if key != "arrays"}
    shown = [Table((), list(_lines("", plain)))]
    if "arrays" in found:
        rows = [(name, one["dtype"], _shape(one["shape"])) for name, one in found["arrays"].items()]
        shown.append(Table(("array", "type", "shape of a row"), rows))
    return shown


def _lines(name: str, value: Any) -> Iterator[tuple[str, Cell]]:
    """A value by its dotted name; a list goes on in lines of its own where it is long."""
    tables_within = isinstance(value, list) and any(isinstance(one, dict) for one in value)
    if value and (isinstance(value, dict) or tables_within):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _lines(f"{name}.{key}" if name else str(key), one)
    elif isinstance(value, dict | list):
        joined = ", ".join(map(_word, value)) or "none"
        wrapped = textwrap.wrap(joined, _LIST_WIDTH, break_long_words=False, break_on_hyphens=False)
        yield from ((name if not index else "", line) for index, line in enumerate(wrapped))
    else:
        yield name, value


def _word(value: Any) -> str:
    if isinstance(value, list):
        return f"({','.join(map(_word, value))})"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _shape(lengths: list[int]) -> str:
    return " x ".join(map(str, lengths)) or "one number"


def _check_beginning(path: Path) -> None:
    """Refuses what cannot be a checkpoint, not even a damaged one: a safetensors file begins with a length and ``{``.

    Raises:
        DataError: it is something else.
    """
    if not path.is_file():
        raise DataError(f"{path}: neither a file nor a folder", _KNOWN)
    try:
        with path.open("rb") as file:
            start = file.readline(_EVENT_BYTES)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if start[8:9] == b"{":
        return
    if _is_event(start):
        raise DataError(f"{path}: the events of a run", "Give the run's folder.")
    raise DataError(f"{path}: nothing that dexctl makes", _KNOWN)


def _is_event(line: bytes) -> bool:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(event, dict) and "event" in event


def _dataset(path: Path) -> dict[str, Any]:
    dataset = open_dataset(path)
    row_bytes = sum(
        math.prod(length or 1 for length in column.shape) * int(np.dtype(column.dtype).itemsize)
        for column in dataset.columns.values()
    )
    # A row that cannot be read is told by the reading itself.
    count, together = len(dataset), max(1, _READ_BYTES // row_bytes)
    for start in range(0, count, together):
        dataset.read(start, min(start + together, count))
    about = msgspec.to_builtins(dataset.metadata)
    return {
        "what": dataset.kind,
        "rows": count,
        "profile": about.pop("profile").get("description", ""),
        "digest": about.pop("profile_digest"),
        **about,
        "arrays": {
            name: {"dtype": column.dtype, "shape": list(column.shape)}
            for name, column in sorted(dataset.columns.items())
        },
    }


def _run(path: Path) -> dict[str, Any]:
    is_run = (path / LOCK).exists() or (path / CHECKPOINTS).is_dir()
    checkpoints = [str(one) for one in checkpoint.listed(path)]
    if not is_run and not checkpoints:
        raise DataError(f"{path}: neither a dataset nor a run folder, and no checkpoint in it", _KNOWN)
    found: dict[str, Any] = {"what": "run" if is_run else "checkpoints", "checkpoints": checkpoints}
    if (path / EVENTS).exists():
        iterations = read_iterations(path / EVENTS)
        found["updates"] = len(iterations)
        if iterations:
            last = iterations[-1]
            figures = ("steps", "states", "elapsed_s", "goals", "reward", "entropy")
            found |= {key: last[key] for key in figures if key in last}
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
        "simulated_years": progress.steps * period_s / SECONDS_PER_YEAR,
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

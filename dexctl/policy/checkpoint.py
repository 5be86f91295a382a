"""Checkpoints: one safetensors file with a JSON header and a checksum; loading one runs no code.

The header tells everything about the tensors: the resolved profile, the networks' shapes and how
far training was. A file is written whole or not at all, and a flipped bit in it is noticed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from dexctl.errors import DataError, MissingError, ProtocolError
from dexctl.policy import CHECKPOINTS
from dexctl.profile.schema import Profile
from dexctl.store.whole_file import write_whole

FORMAT = "dexctl-checkpoint"
VERSION = 1
SUFFIX = ".safetensors"
# Where header and checksum stand among the metadata of safetensors.
_HEADER = "dexctl"
_CHECKSUM = "checksum"
_OLDER = "Where it was one, take an older one of the run."
_TRAINED_WITH = "Use the profile it was trained with."


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far training was.

    Attributes:
        version: updates so far; steps: transitions learned from.
        seconds: wall time of training, over all its processes one after the other.
        learning_rate: what the optimizer used last.
    """

    version: int
    steps: int
    seconds: float
    learning_rate: float


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON part of a checkpoint."""

    format: str
    format_version: int
    dexctl: str
    profile: Profile
    digest: str
    shapes: dict[str, list[int]]
    progress: Progress


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint that was read and checked."""

    path: Path
    header: Header
    tensors: dict[str, Tensor]

    @property
    def profile(self) -> Profile:
        """The profile it was trained with."""
        return self.header.profile

    def module(self, prefix: str) -> dict[str, Tensor]:
        """The tensors below ``prefix``, by what follows it, in the shapes that the header gives them."""
        return {name[len(prefix) :]: tensor for name, tensor in self.tensors.items() if name.startswith(prefix)}


def write(
    path: Path,
    *,
    profile: Profile,
    digest: str,
    progress: Progress,
    tensors: Mapping[str, Tensor],
    program: str,
) -> None:
    """Writes a checkpoint in one step.

    Args:
        digest: of the profile.
        program: version of the program that writes.

    Raises:
        DataError: a number is not finite; nothing is written, so that no good one is ever replaced by such a one.
        CreateError, InputOutputError: it cannot be written; an older file is untouched.
    """
    kept = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    astray = next((name for name, tensor in kept.items() if not tensor.isfinite().all()), None)
    if astray:
        raise DataError(
            f"{path}: not written, since {astray} has numbers that are not finite: the training went astray",
            "The same command goes on from the checkpoint before; with a smaller learning rate in a run of its own.",
        )
    header = Header(
        format=FORMAT,
        format_version=VERSION,
        dexctl=program,
        profile=profile,
        digest=digest,
        shapes={name: list(tensor.shape) for name, tensor in kept.items()},
        progress=progress,
    )
    text = msgspec.json.encode(header).decode()
    write_whole(path, safetensors.torch.save(kept, {_HEADER: text, _CHECKSUM: checksum(text, kept)}))


def read(path: Path) -> Checkpoint:
    """Reads and checks a checkpoint, or the newest of a run folder.

    Raises:
        MissingError: there is none.
        DataError: it is damaged, or not a checkpoint.
        ProtocolError: its format is newer than this program.
    """
    path = newest(path)
    try:
        # Also where torch makes its tensors on a GPU by default.
        with torch.device("cpu"), safetensors.safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: _plain(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise DataError(f"{path}: damaged, or not a checkpoint: {error}", _OLDER) from error
    header = _header(path, metadata.get(_HEADER, "null"), metadata.get(_CHECKSUM), tensors)
    return Checkpoint(path=path, header=header, tensors=tensors)


def _plain(tensor: Tensor) -> Tensor:
    """The tensor, if NumPy has its type; no checkpoint of dexctl holds another.

    Raises:
        ValueError: it has not.
    """
    try:
        tensor.numpy()
    except TypeError as error:
        raise ValueError(f"a tensor of {tensor.dtype}") from error
    return tensor


def _header(path: Path, text: str, promised: str | None, tensors: Mapping[str, Tensor]) -> Header:
    try:
        raw: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: damaged: its header is no JSON: {error}", _OLDER) from error
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise DataError(f"{path}: a safetensors file, but no checkpoint of dexctl")
    if raw.get("format_version") != VERSION:
        raise ProtocolError(
            f"{path}: format {raw.get('format_version')}, this program reads {VERSION}", "Use the dexctl that wrote it."
        )
    if promised != checksum(text, tensors):
        raise DataError(f"{path}: damaged: its checksum does not fit its content", _OLDER)
    try:
        return msgspec.convert(raw, Header)
    # Texts that no UTF-8 can be made of, and numbers beyond a float, are no validation errors of msgspec's.
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        raise ProtocolError(
            f"{path}: its header does not fit this program: {error}", "Use the dexctl that wrote it."
        ) from error


def newest(path: Path) -> Path:
    """The checkpoint itself, or the newest in a run folder.

    Raises:
        MissingError: there is none.
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise MissingError(f"{path}: no such run or checkpoint")
    found = listed(path)
    if not found:
        raise MissingError(f"{path}: a run without a checkpoint yet", "Let it train longer.")
    return found[-1]


def listed(run: Path) -> list[Path]:
    """Checkpoints of a run folder, oldest first; also those of a shipped policy's folder."""
    folder = run / CHECKPOINTS if (run / CHECKPOINTS).is_dir() else run
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith("."))


def name_of(version: int) -> str:
    """File name of the checkpoint after so many updates; names sort as versions do."""
    return f"{version:08d}{SUFFIX}"


def check_networks(saved: Checkpoint, profile: Profile, roles: Sequence[str]) -> None:
    """Compares what the shapes of weights do not show: what a network sees and how it computes.

    Args:
        roles: ``actor``, ``critic`` or both.

    Raises:
        ProtocolError: a profile wants another network than was saved; names the key.
    """
    was, wanted = saved.profile, profile
    compared: list[tuple[str, Any, Any]] = [
        ("task.angular_velocity", was.task.angular_velocity, wanted.task.angular_velocity),
        ("policy.clip_std", was.policy.clip_std, wanted.policy.clip_std),
    ]
    for role in roles:
        mine, theirs = getattr(was.policy, role), getattr(wanted.policy, role)
        for key in ("observe", "kind", "activation"):
            compared.append((f"policy.{role}.{key}", getattr(mine, key), getattr(theirs, key)))
    for key, mine, theirs in compared:
        if mine != theirs:
            raise ProtocolError(
                f"{saved.path}: trained with {key} = {mine}, the profile has {theirs}",
                _TRAINED_WITH,
            )


def check_shapes(saved: Checkpoint, prefix: str, make: Callable[[], nn.Module]) -> None:
    """Compares the tensors below ``prefix`` with a network that is made without memory for its weights.

    A header may promise any size: what is made of it takes memory only once the file is known to hold as much.

    Raises:
        ProtocolError: they are of another network; names what differs.
    """
    try:
        with torch.device("meta"):
            module = make()
    # Sizes beyond what torch can count.
    except (RuntimeError, OverflowError, TypeError) as error:
        raise ProtocolError(
            f"{saved.path}: its header wants a network that cannot be: {error}", _TRAINED_WITH
        ) from error
    _check_shapes(module, saved, prefix)


def load_into(module: nn.Module, checkpoint: Checkpoint, prefix: str) -> None:
    """Loads the tensors below ``prefix`` into a module.

    Raises:
        ProtocolError: they are of another network; names what differs.
    """
    _check_shapes(module, checkpoint, prefix)
    module.load_state_dict(checkpoint.module(prefix))


def _check_shapes(module: nn.Module, saved: Checkpoint, prefix: str) -> None:
    wanted = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in saved.module(prefix).items()}
    if wanted != found:
        name = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))[0]
        raise ProtocolError(
            f"{saved.path}: {prefix}{name} is {found.get(name, 'missing')}, the profile wants "
            f"{wanted.get(name, 'none')}",
            _TRAINED_WITH,
        )


def checksum(header: str, tensors: Mapping[str, Tensor]) -> str:
    """What stands in a file beside its header and tensors, so that a flipped bit in them is noticed."""
    digest = hashlib.blake2b(header.encode(), digest_size=16)
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()

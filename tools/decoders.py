"""Everything that dexctl reads from disk or the wire, as functions of bytes: what tests/fuzz and tools/fuzz try.

Each decoder takes any bytes and either reads them or refuses them in one of the ways that it states.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import safetensors.torch
import torch
from decoder import Decoder
from wire_decoders import WIRE_DECODERS

from dexctl.calibrate.recorded import read_recording
from dexctl.console.announced import announced_rows
from dexctl.console.event_file import EventFile
from dexctl.console.inspection import describe
from dexctl.console.row_stream import read_about
from dexctl.console.saved_fit import SavedFit
from dexctl.evaluate.curve import read_iterations
from dexctl.evaluate.pose_curve import read_measurements
from dexctl.evaluate.pose_errors import check_pictures
from dexctl.evaluate.recorded import recorded_trials
from dexctl.physics.failure import write_failure
from dexctl.policy import checkpoint
from dexctl.profile.load import check_part, is_part, load, resolved
from dexctl.robot.goal_file import read_goals
from dexctl.scene import names
from dexctl.store.images import Images, ImagesMetadata, ImagesWriter
from dexctl.store.recordings import Recording, RecordingMetadata, RecordingWriter, columns
from dexctl.store.rows import profile_of, read_metadata
from dexctl.store.states import States, StatesMetadata, StatesWriter
from dexctl.wire.keys import AllowList, server_keys, worker_keys

ROWS = 3


def _file(read: Callable[[Path], object], path: Path, seeds: list[bytes], *codes: int) -> Decoder:
    def decode(data: bytes) -> None:
        path.write_bytes(data)
        path.chmod(0o600)
        read(path)

    return Decoder(decode, seeds, codes=frozenset(codes))


def _profile(folder: Path) -> Decoder:
    def read(path: Path) -> None:
        is_part(str(path))
        check_part(str(path), (), {})
        load(str(path), (), {})

    seeds = [
        b'inherits = "block-yaw"\ndescription = "mine"\n[ppo]\nclip = 0.3\n[policy.actor]\nhidden = [16]\n',
        b'inherits = ["block", "hand/menagerie-shadow"]\n[randomize.physics]\nmass = { uniform = [0.5, 1.6] }\n',
    ]
    return _file(read, folder / "profile.toml", seeds, 78)


def _setting(folder: Path) -> Decoder:
    def decode(data: bytes) -> None:
        load("block-yaw", [data.decode(errors="replace")], {})

    return Decoder(decode, [b"ppo.clip=0.3", b"policy.actor.hidden=[16, 16]", b"task={}"], codes=frozenset({78}))


def _checkpoint(folder: Path) -> Decoder:
    path = folder / "checkpoint.safetensors"
    _write_checkpoint(path)
    return _file(describe, path, [path.read_bytes()], 65, 76, 78)


def _header(folder: Path) -> Decoder:
    """The JSON of a checkpoint, in a file whose checksum fits it."""
    path = folder / "header.safetensors"
    tensors = {"actor.weight": torch.zeros(2)}

    def decode(data: bytes) -> None:
        text = data.decode(errors="replace")
        metadata = {"dexctl": text, "checksum": checkpoint.checksum(text, tensors)}
        path.write_bytes(safetensors.torch.save(tensors, metadata))
        describe(path)

    _write_checkpoint(path)
    with safetensors.safe_open(path, "pt") as file:
        seed = file.metadata()["dexctl"].encode()
    return Decoder(decode, [seed], codes=frozenset({65, 76, 78}))


def _write_checkpoint(path: Path) -> None:
    loaded = load("block-yaw", (), {})
    progress = checkpoint.Progress(version=1, steps=2, seconds=3.0, learning_rate=1e-4)
    tensors = {"actor.weight": torch.zeros(2)}
    checkpoint.write(
        path, profile=loaded.profile, digest=loaded.digest, progress=progress, tensors=tensors, program="0"
    )


def _failure(folder: Path) -> Decoder:
    import mujoco

    model = mujoco.MjModel.from_xml_string(
        "<mujoco><worldbody><body><freejoint/><geom size='1'/></body></worldbody></mujoco>"
    )
    path = folder / "failure.safetensors"
    state = np.zeros(mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_INTEGRATION))
    write_failure(path, model, state, 1, np.zeros(7, int))
    return _file(describe, path, [path.read_bytes()], 65, 76, 78)


def _dataset(path: Path, read: Callable[[Path], object], *codes: int) -> Decoder:
    """A whole dataset or another folder, of which one file is replaced: the first byte says which."""
    files = sorted(file for file in path.rglob("*") if file.is_file())
    contents = [file.read_bytes() for file in files]

    def decode(data: bytes) -> None:
        number = (data[0] if data else 0) % len(files)
        files[number].write_bytes(data[1:])
        try:
            read(path)
        finally:
            files[number].write_bytes(contents[number])

    seeds = [bytes([number]) + content for number, content in enumerate(contents)]
    return Decoder(decode, seeds, codes=frozenset({65, 66, 76, *codes}))


def _read_rows(reader: States | Images | Recording) -> None:
    reader.read(0, min(len(reader), ROWS))
    reader.refresh()


def _describing(folder: Path) -> Decoder:
    """What describes a dataset, the profile in it too: as read from disk, and as a sender sends it."""
    profile = load("vision-small", (), {}).profile
    plain = msgspec.to_builtins(profile)
    sizes = {"seed": 0, "height_px": 64, "width_px": 64, "positions": 2}
    images = ImagesMetadata(
        profile=plain, profile_digest="0", cameras=list(profile.cameras), renderer="classic", **sizes
    )
    states = StatesMetadata(profile=plain, profile_digest="0", policy="zero", seed=0, positions=2)

    def decode(data: bytes) -> None:
        try:
            about = json.loads(data)
        except (ValueError, RecursionError):
            return
        if not isinstance(about, dict):
            return
        if "cameras" in about:
            found = read_metadata(folder, about, ImagesMetadata)
            check_pictures(found, "there", profile)
        else:
            found = read_metadata(folder, about, StatesMetadata)
        resolved(profile_of(found.profile, "there"), (), "there")

    return Decoder(decode, [msgspec.json.encode(images), msgspec.json.encode(states)], codes=frozenset({65, 76, 78}))


def _sent_about(folder: Path) -> Decoder:
    def decode(data: bytes) -> None:
        resolved(profile_of(read_about(data, StatesMetadata, "there").profile, "there"), (), "there")

    profile = msgspec.to_builtins(load("block-yaw", (), {}).profile)
    about = StatesMetadata(profile=profile, profile_digest="0", policy="zero", seed=0, positions=2)
    return Decoder(decode, [msgspec.json.encode(about)], codes=frozenset({65, 76, 78}))


def _run(folder: Path) -> Decoder:
    """A run's folder, of which one file is replaced."""
    path = folder / "run"
    (path / "checkpoints").mkdir(parents=True)
    _write_checkpoint(path / "checkpoints" / checkpoint.name_of(1))
    (path / "profile.toml").write_text(load("block-yaw", (), {}).to_toml())
    (path / "events.jsonl").write_text('{"event":"iteration","seq":1,"steps":2,"goals":0.5}\n')
    return _dataset(path, describe, 78)


def _states(folder: Path) -> Decoder:
    path = folder / "states.zarr"
    metadata = StatesMetadata(profile={}, profile_digest="0", policy="zero", seed=0, positions=2)
    with StatesWriter(path, metadata) as writer:
        writer.append({**_pose(), "qpos": np.zeros((ROWS, 2), np.float32), "episode": np.zeros(ROWS, np.int64)})
    return _dataset(path, lambda path: _read_rows(States(path)))


def _images(folder: Path) -> Decoder:
    path = folder / "images.zarr"
    sizes = {"seed": 0, "height_px": 4, "width_px": 4, "positions": 2}
    metadata = ImagesMetadata(profile={}, profile_digest="0", cameras=["top"], renderer="classic", **sizes)
    with ImagesWriter(path, metadata, {}) as writer:
        pictures = np.zeros((ROWS, 1, 4, 4, 3), np.uint8)
        own = {"state_row": np.arange(ROWS), "augmentation": np.zeros(ROWS, np.uint8)}
        writer.append({**_pose(), **own, "images": pictures, "qpos": np.zeros((ROWS, 2), np.float32)})
    return _dataset(path, lambda path: _read_rows(Images(path)))


def _pose() -> dict[str, np.ndarray]:
    quaternions = np.tile(np.array([1, 0, 0, 0], np.float32), (ROWS, 1))
    return {"object_position_m": np.zeros((ROWS, 3), np.float32), "object_quaternion_wxyz": quaternions}


def _recording(folder: Path) -> Decoder:
    path = folder / "recording.zarr"
    profile = load("robot/same", (), {}).profile
    layout = columns(len(names.JOINTS), len(names.ACTUATORS))
    rows = {name: np.zeros((ROWS, *column.shape), column.dtype) for name, column in layout.items()}
    rows["robot_time_s"] = np.arange(ROWS) * profile.physics.timestep_s * profile.physics.substeps
    metadata = RecordingMetadata(
        profile=msgspec.to_builtins(profile),
        profile_digest="0",
        policy="zero",
        robot="tcp://127.0.0.1:1",
        features={"joints": list(names.JOINTS), "actuators": list(names.ACTUATORS)},
        senses=["joint_angles", "fingertip_markers"],
        seed=0,
        period_s=profile.physics.timestep_s * profile.physics.substeps,
        started="2026-01-01T00:00:00Z",
    )
    with RecordingWriter(path, metadata, layout) as writer:
        writer.append(rows)

    def read(path: Path) -> None:
        recording = Recording(path)
        _read_rows(recording)
        recorded_trials(recording)
        read_recording(path, profile)

    return _dataset(path, read)


def _announced(folder: Path) -> Decoder:
    lines = [
        b'{"event":"start","v":1}\n{"event":"rows","dataset":"states.zarr","start":0,"stop":3}\n',
        b'{"event":"rows","dataset":"states.zarr","start":3,"stop":4}\n{"event":"end","status":"done","code":0}\n',
    ]
    whole = b"".join(lines)
    return Decoder(lambda data: list(announced_rows(data.splitlines(True))), [whole], codes=frozenset({65, 69}))


def _events(folder: Path) -> Decoder:
    def read(path: Path) -> None:
        read_iterations(path)
        read_measurements(path)
        EventFile(path).close()

    seeds = [b'{"event":"iteration","seq":1,"goals":0.5}\n{"event":"measurement","seq":2}\n{"event":"it']
    return _file(read, folder / "events.jsonl", seeds, 65)


def _saved_fit(folder: Path) -> Decoder:
    def read(path: Path) -> None:
        SavedFit(path, "k", fresh=False)

    seeds = [b'{"key":"k","vectors":{"ff":[0.5,1.0]},"done":{"ff":true},"seconds":3.5}']
    return _file(read, folder / "mine.part.json", seeds)


def _goals(folder: Path) -> Decoder:
    return _file(read_goals, folder / "goals.json", [b"[[1,0,0,0],[0,0.6,0.8,0]]"], 65)


def _keys(folder: Path) -> Decoder:
    import zmq.auth

    allowed = folder / "allowed"
    allowed.mkdir()
    secret = Path(zmq.auth.create_certificates(folder, "own")[1])
    secret.chmod(0o600)

    def read(path: Path) -> None:
        (allowed / "other.key").write_bytes(path.read_bytes())
        AllowList(allowed).refresh()
        worker_keys(secret, path)
        server_keys(path, allowed)

    return _file(read, folder / "tried.key_secret", [secret.read_bytes()], 65)


DECODERS: dict[str, Callable[[Path], Decoder]] = {
    "profile": _profile,
    "setting": _setting,
    "checkpoint": _checkpoint,
    "checkpoint-header": _header,
    "failure": _failure,
    "states": _states,
    "images": _images,
    "recording": _recording,
    "describing": _describing,
    "sent-about": _sent_about,
    "run": _run,
    "saved-fit": _saved_fit,
    "announced": _announced,
    "events": _events,
    "goals": _goals,
    "keys": _keys,
    **WIRE_DECODERS,
}

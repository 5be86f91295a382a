"""What a path holds is told as what it is, whole, and in words and numbers that people read."""

import json

import numpy as np
import pytest
import torch

from dexctl.console.inspection import describe, tables
from dexctl.errors import DataError
from dexctl.policy import checkpoint
from dexctl.profile.load import load
from dexctl.store.images import ImagesMetadata, ImagesWriter
from dexctl.store.recordings import RecordingMetadata, RecordingWriter, columns
from dexctl.store.states import StatesMetadata, StatesWriter

PROFILE = {"description": "a toy"}
IDENTITY = np.array([1.0, 0.0, 0.0, 0.0], np.float32)


def states(path):
    metadata = StatesMetadata(profile=PROFILE, profile_digest="ab12", policy="random", seed=7, positions=31)
    with StatesWriter(path, metadata) as writer:
        writer.append(
            {
                "qpos": np.zeros((3, 31), np.float32),
                "object_position_m": np.zeros((3, 3), np.float32),
                "object_quaternion_wxyz": np.tile(IDENTITY, (3, 1)),
                "episode": np.arange(3),
            }
        )
        writer.flush()


def images(path):
    metadata = ImagesMetadata(
        profile=PROFILE,
        profile_digest="ab12",
        cameras=["top", "left"],
        renderer="classic",
        seed=7,
        height_px=8,
        width_px=8,
        positions=31,
    )
    with ImagesWriter(path, metadata, {}) as writer:
        writer.append(
            {
                "images": np.zeros((2, 2, 8, 8, 3), np.uint8),
                "object_position_m": np.zeros((2, 3), np.float32),
                "object_quaternion_wxyz": np.tile(IDENTITY, (2, 1)),
                "qpos": np.zeros((2, 31), np.float32),
                "state_row": np.arange(2),
                "augmentation": np.zeros(2, np.uint8),
            }
        )
        writer.flush()


def recording(path):
    layout = columns(24, 20)
    metadata = RecordingMetadata(
        profile=PROFILE,
        profile_digest="ab12",
        policy="script",
        robot="tcp://127.0.0.1:1",
        features={"joints": ["one", "two"], "limits": [[0.123456, 1.0], [-1.0, 0.0]], "cameras": [{"name": "top"}]},
        senses=["joint_angles"],
        seed=7,
        period_s=0.08,
        started="2026-01-01T00:00:00Z",
    )
    with RecordingWriter(path, metadata, layout) as writer:
        writer.append(
            {
                name: np.zeros((4, *(length or 1 for length in column.shape)), column.dtype)
                for name, column in layout.items()
            }
        )
        writer.flush()


def text_of(found):
    return "\n".join(line for table in tables(found) for line in table.lines())


@pytest.fixture
def run(tmp_path):
    """A run of 44.312803316999634 s with two checkpoints, killed and resumed between its updates."""
    folder = tmp_path / "run1"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "lock").touch()
    loaded = load("block-yaw", (), {})
    for version in (2, 3):
        checkpoint.write(
            folder / "checkpoints" / checkpoint.name_of(version),
            profile=loaded.profile,
            digest=loaded.digest,
            progress=checkpoint.Progress(version=version, steps=10, seconds=44.312803316999634, learning_rate=1e-4),
            tensors={"actor.weight": torch.zeros(2)},
            program="1.2.3",
        )
    events = [{"event": "iteration", "steps": steps, "elapsed_s": 44.312803316999634} for steps in (10, 20, 20, 30)]
    (folder / "events.jsonl").write_text("".join(f"{json.dumps(event)}\n" for event in events))
    return folder


@pytest.mark.parametrize(
    ("make", "expected", "array"),
    [
        (states, {"what": "states", "rows": 3, "policy": "random", "positions": 31}, ("qpos", "float32", [31])),
        (
            images,
            {"what": "images", "rows": 2, "cameras": ["top", "left"], "renderer": "classic", "height_px": 8},
            ("images", "uint8", [2, 8, 8, 3]),
        ),
        (
            recording,
            {"what": "recording", "rows": 4, "policy": "script", "period_s": 0.08, "senses": ["joint_angles"]},
            ("fingertip_markers_m", "float64", [5, 3]),
        ),
    ],
)
def test_a_dataset_is_told_with_its_rows_arrays_and_what_describes_it(tmp_path, make, expected, array):
    make(tmp_path / "some.zarr")
    found = describe(tmp_path / "some.zarr")
    assert found.items() >= {**expected, "profile": "a toy", "digest": "ab12", "seed": 7}.items()
    name, dtype, shape = array
    assert found["arrays"][name] == {"dtype": dtype, "shape": shape}
    assert f"{name} {dtype} {' x '.join(map(str, shape))}" in [
        " ".join(line.split()) for line in text_of(found).split("\n")
    ]


def test_a_dataset_with_a_lost_or_a_damaged_file_is_not_whole(tmp_path):
    path = tmp_path / "some.zarr"
    states(path)
    (block,) = (file for file in (path / "qpos").rglob("*") if file.is_file() and file.name != "zarr.json")
    content = bytearray(block.read_bytes())
    content[-1] ^= 1
    block.write_bytes(content)
    with pytest.raises(DataError, match="array qpos, row 0: cannot be read"):
        describe(path)
    block.unlink()
    with pytest.raises(DataError, match="array qpos, row 0: its file is lost"):
        describe(path)


def test_a_dataset_of_something_else_is_named_as_such(tmp_path):
    path = tmp_path / "some.zarr"
    states(path)
    about = json.loads((path / "zarr.json").read_text())
    about["attributes"]["dexctl"]["kind"] = "dances"
    (path / "zarr.json").write_text(json.dumps(about))
    with pytest.raises(DataError, match="a dataset of dances\nThis dexctl knows states, images, recording"):
        describe(path)


def test_a_resumed_run_counts_each_update_once(run):
    found = describe(run)
    assert (found["what"], found["updates"], found["steps"]) == ("run", 3, 30)


def test_a_folder_of_checkpoints_is_no_run(run):
    found = describe(run / "checkpoints")
    assert (found["what"], len(found["checkpoints"])) == ("checkpoints", 2)


def test_people_read_names_and_four_digits_and_programs_the_exact_number(run):
    found = describe(run)
    assert found["newest"]["trained_s"] == 44.312803316999634
    lines = [line.split() for line in text_of(found).split("\n")]
    assert ["newest.trained_s", "44.31"] in lines
    assert ["newest.updates", "2"] in lines
    assert not set("{}[]'") & set(text_of(found))


def test_nested_lists_and_tables_of_a_robot_are_flattened(tmp_path):
    recording(tmp_path / "some.zarr")
    lines = [" ".join(line.split()) for line in text_of(describe(tmp_path / "some.zarr")).split("\n")]
    assert "features.joints one, two" in lines
    assert "features.limits (0.1235,1), (-1,0)" in lines
    assert "features.cameras.0.name top" in lines


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"event":"start","v":1}\n', "the events of a run\nGive the run's folder."),
        (b"root:x:0:0:root:/root:/bin/bash\n", "nothing that dexctl makes\nIt knows runs, checkpoints, datasets"),
        (b"", "nothing that dexctl makes"),
    ],
)
def test_what_is_no_checkpoint_is_not_called_a_damaged_one(tmp_path, content, message):
    path = tmp_path / "something"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        describe(path)


def test_a_damaged_checkpoint_is_told_to_be_one_whatever_its_name(run):
    path = run / "anything"
    saved = checkpoint.newest(run).read_bytes()
    path.write_bytes(saved[: len(saved) // 2])
    with pytest.raises(DataError, match=r"damaged, or not a checkpoint(.|\n)*take an older one of the run"):
        describe(path)

import json
import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
import zarr

from dexctl.errors import CreateError, DataError, InputOutputError, MissingError, TemporaryError
from dexctl.store.images import LEARNED_FROM, Images, ImagesMetadata, ImagesWriter, block_rows
from dexctl.store.rows import Column
from dexctl.store.states import States

METADATA = ImagesMetadata(
    profile={},
    profile_digest="00",
    cameras=["top", "left", "right"],
    renderer="classic",
    seed=0,
    height_px=64,
    width_px=64,
    positions=5,
)
BLOCK = block_rows(METADATA)


def some_rows(count, first=0):
    rng = np.random.default_rng(first)
    quaternion = rng.normal(size=(count, 4))
    return {
        "images": rng.integers(0, 256, (count, 3, 64, 64, 3), dtype=np.uint8),
        "object_position_m": rng.normal(size=(count, 3)).astype(np.float32),
        "object_quaternion_wxyz": (quaternion / np.linalg.norm(quaternion, axis=1, keepdims=True)).astype(np.float32),
        "qpos": rng.normal(size=(count, 5)).astype(np.float32),
        "state_row": np.arange(first, first + count),
        "augmentation": np.zeros(count, np.uint8),
        "appearance/hue": rng.random(count).astype(np.float32),
    }


def write(path, *parts, announce=lambda start, stop: None):
    with ImagesWriter(path, METADATA, {"hue": Column("float32", (), "finite")}, announce) as writer:
        for rows in parts:
            writer.append(rows)
    return path


@pytest.fixture
def dataset(tmp_path):
    return write(tmp_path / "images.zarr", some_rows(10))


def test_what_was_appended_is_read_back(tmp_path):
    told = []
    first, second = some_rows(BLOCK - 1), some_rows(7, BLOCK - 1)
    path = write(tmp_path / "x.zarr", first, second, announce=lambda start, stop: told.append((start, stop)))
    assert told == [(0, BLOCK), (BLOCK, BLOCK + 6)]
    images = Images(path)
    assert len(images) == BLOCK + 6
    assert images.metadata == METADATA
    read = images.read(0, len(images))
    for name in first:
        np.testing.assert_array_equal(read[name], np.concatenate([first[name], second[name]]))
    assert set(images.read(3, 4, LEARNED_FROM)) == set(LEARNED_FROM)


def test_a_second_writer_goes_on_where_the_first_stopped(dataset):
    write(dataset, some_rows(5, 10))
    assert Images(dataset).read(0, 15)["state_row"].tolist() == list(range(15))


def test_a_reader_sees_what_another_process_adds(dataset):
    images = Images(dataset)
    write(dataset, some_rows(5, 10))
    assert len(images) == 10
    assert images.refresh() == 15
    assert images.read(14, 15)["state_row"] == [14]


def test_zarr_alone_can_read_it(dataset):
    group = zarr.open_group(str(dataset), mode="r")
    assert group.attrs["dexctl"]["rows"] == 10
    assert group["images"].shape == (10, 3, 64, 64, 3)


def test_other_metadata_is_refused(dataset):
    other = ImagesMetadata(**{name: getattr(METADATA, name) for name in METADATA.__struct_fields__} | {"seed": 1})
    with pytest.raises(CreateError, match="seed"):
        ImagesWriter(dataset, other, {"hue": Column("float32", (), "finite")})


def test_a_second_writer_is_refused_until_the_first_is_gone(dataset):
    layout = {"hue": Column("float32", (), "finite")}
    with ImagesWriter(dataset, METADATA, layout) as writer:
        with pytest.raises(TemporaryError, match="another process writes it"):
            ImagesWriter(dataset, METADATA, layout)
        writer.append(some_rows(2, 10))
    write(dataset, some_rows(1, 12))
    assert len(Images(dataset)) == 13


def test_a_full_disk_leaves_the_rows_before_it_and_with_room_it_goes_on(tmp_path):
    path = write(tmp_path / "x.zarr", some_rows(BLOCK))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(InputOutputError, match="Free some space"):
            write(path, some_rows(BLOCK, BLOCK))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(Images(path)) == BLOCK
    np.testing.assert_array_equal(Images(path).read(0, BLOCK)["images"], some_rows(BLOCK)["images"])
    write(path, some_rows(BLOCK, BLOCK))
    np.testing.assert_array_equal(Images(path).read(BLOCK, 2 * BLOCK)["images"], some_rows(BLOCK, BLOCK)["images"])


def test_something_else_in_the_way_is_left_alone(tmp_path):
    path = tmp_path / "mine"
    path.mkdir()
    (path / "letter").write_text("keep")
    with pytest.raises(CreateError):
        write(path, some_rows(1))
    assert [entry.name for entry in path.iterdir()] == ["letter"]


def test_nothing_and_something_else_are_told_apart(tmp_path, dataset):
    with pytest.raises(MissingError):
        Images(tmp_path / "none.zarr")
    with pytest.raises(DataError, match="a dataset of images"):
        States(dataset)
    zarr.create_group(store=str(tmp_path / "foreign.zarr"))
    with pytest.raises(DataError, match="not a dataset of dexctl"):
        Images(tmp_path / "foreign.zarr")


@pytest.mark.parametrize(
    ("name", "row", "value", "reason"),
    [
        ("object_quaternion_wxyz", 7, (1.0, 1.0, 0.0, 0.0), "not a unit quaternion"),
        ("object_position_m", 3, np.nan, "not a finite number"),
        ("appearance/hue", 0, np.inf, "not a finite number"),
    ],
)
def test_a_wrong_row_is_named_with_its_array(dataset, name, row, value, reason):
    zarr.open_array(f"{dataset}/{name}", mode="r+")[row] = value
    with pytest.raises(DataError, match=rf"images\.zarr: array {name}, row {row}: {reason}"):
        Images(dataset).read(0, 10)


def test_images_of_another_size_than_promised_are_refused(dataset):
    file = dataset / "zarr.json"
    document = json.loads(file.read_text())
    document["attributes"]["dexctl"]["height_px"] = 32
    # As an older program wrote it.
    del document["attributes"]["dexctl"]["checksum"]
    file.write_text(json.dumps(document))
    with pytest.raises(DataError, match="array images"):
        Images(dataset)


@pytest.mark.parametrize(("key", "value"), [("seed", 1), ("rows", 8), ("height_px", 32), ("checksum", "0")])
def test_what_describes_a_dataset_cannot_change_unnoticed(dataset, key, value):
    file = dataset / "zarr.json"
    document = json.loads(file.read_text())
    document["attributes"]["dexctl"][key] = value
    file.write_text(json.dumps(document))
    with pytest.raises(DataError, match="its checksum does not fit"):
        Images(dataset)


def test_a_cut_or_lost_file_is_named_with_array_and_row(dataset):
    file = dataset / "images/c.0.0.0.0.0"
    os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(DataError, match="array images, row 2: cannot"):
        Images(dataset).read(2, 5)
    file.unlink()
    with pytest.raises(DataError, match="array images, row 2: its file is lost"):
        Images(dataset).read(2, 5)


def test_a_flipped_bit_is_noticed_or_changes_nothing(dataset):
    whole, rng, noticed, named, tried = Images(dataset).read(0, 10), np.random.default_rng(0), 0, 0, 0
    for file in sorted(dataset.rglob("c.*")):
        content = file.read_bytes()
        for bit in rng.integers(0, 8 * len(content), 8):
            broken = bytearray(content)
            broken[bit // 8] ^= 1 << bit % 8
            file.write_bytes(broken)
            tried += 1
            try:
                read = Images(dataset).read(0, 10)
            except DataError as error:
                noticed += 1
                named += f"array {file.parent.relative_to(dataset)}, row" in str(error)
            else:
                for name, values in whole.items():
                    np.testing.assert_array_equal(read[name], values)
        file.write_bytes(content)
    assert named == noticed > 0.9 * tried > 40


def test_a_missing_or_short_array_is_named(dataset):
    zarr.open_array(f"{dataset}/qpos", mode="r+").resize((4, 5))
    with pytest.raises(DataError, match="array qpos ends at row 4 of 10"):
        Images(dataset)


def test_a_killed_writer_leaves_whole_rows(tmp_path):
    program = f"""
import sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
from pathlib import Path
from test_rows import *
with ImagesWriter(Path({str(tmp_path / "x.zarr")!r}), METADATA, {{"hue": Column("float32", (), "finite")}}) as writer:
    for first in range(0, 10**9, 64):
        writer.append(some_rows(64, first))
        print(writer.committed, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if int(line) >= BLOCK:
                break
        process.send_signal(signal.SIGKILL)
    images = Images(tmp_path / "x.zarr")
    assert len(images) >= BLOCK
    assert images.read(0, len(images))["state_row"].tolist() == list(range(len(images)))
    before = len(images)
    write(tmp_path / "x.zarr", some_rows(3, before))
    assert len(Images(tmp_path / "x.zarr")) == before + 3

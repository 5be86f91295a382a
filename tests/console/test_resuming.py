"""A run goes on from its newest checkpoint that is whole, and never starts over where all are damaged."""

import numpy as np
import pytest
import torch

from dexctl.console.output import Output
from dexctl.console.resuming import newest_whole
from dexctl.console.run_folder import RunFolder
from dexctl.console.vision_session import VisionPlan, VisionSession
from dexctl.errors import DataError
from dexctl.policy import checkpoint
from dexctl.profile.load import load


def write(folder, version):
    loaded = load("block-yaw", (), {})
    progress = checkpoint.Progress(version=version, steps=2, seconds=3.0, learning_rate=1e-4)
    path = folder / "checkpoints" / checkpoint.name_of(version)
    path.parent.mkdir(exist_ok=True)
    tensors = {"actor.weight": torch.from_numpy(np.arange(8.0))}
    checkpoint.write(
        path, profile=loaded.profile, digest=loaded.digest, progress=progress, tensors=tensors, program="0"
    )
    return path


def damage(path):
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)


def test_a_run_without_a_checkpoint_begins(tmp_path):
    assert newest_whole(tmp_path) == (None, [])


def test_damaged_ones_are_told_and_put_out_of_the_way_of_those_to_come(tmp_path):
    write(tmp_path, 1)
    whole, *later = (write(tmp_path, version) for version in (2, 8, 9))
    for one in later:
        damage(one)
    saved, warnings = newest_whole(tmp_path)
    assert saved is not None
    assert (saved.path, len(warnings)) == (whole, 2)
    assert all("checksum" in warning for warning in warnings)
    assert checkpoint.newest(tmp_path) == whole
    assert [one.with_suffix(".damaged").is_file() for one in later] == [True, True]


def test_where_all_are_damaged_training_to_see_is_refused_and_nothing_is_touched(tmp_path):
    loaded = load("vision-small", (), {})
    plan = VisionPlan(portions=lambda seed: iter(()), held_out=(), seconds=0.0, threads=None)
    with RunFolder(tmp_path / "run", loaded) as folder:
        damage(write(folder.path, 7))
        with pytest.raises(DataError, match=r"every checkpoint is damaged(.|\n)*--fresh"):
            VisionSession(folder, loaded, plan, Output())
        assert [path.name for path in folder.checkpoints.iterdir()] == [checkpoint.name_of(7)]

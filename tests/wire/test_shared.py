import errno
import os
import subprocess
import sys

import numpy as np
import pytest

from dexctl.wire.shared import SharedFolder


@pytest.fixture
def folder(tmp_path):
    return SharedFolder(tmp_path / "shared")


def write(folder, name, content):
    block = folder.create(len(content))
    block.memory[:] = content
    return block, folder.publish(name, block)


def test_a_published_block_is_what_others_load(folder, tmp_path):
    _, shared = write(folder, "run", b"first")
    other = SharedFolder(tmp_path / "shared")
    assert shared
    assert other.identity == folder.identity != ""
    assert bytes(other.load("run")) == b"first"


def test_nothing_can_be_loaded_before_it_is_published(folder):
    block = folder.create(5)
    assert folder.load("run") is None
    block.close()


def test_a_newer_block_takes_the_name_and_leaves_the_older_one_whole(folder):
    old, _ = write(folder, "run", b"first")
    loaded = folder.load("run")
    new, _ = write(folder, "run", b"second")
    old.close()
    assert bytes(loaded) == b"first"
    assert bytes(folder.load("run")) == b"second"
    new.close()
    assert folder.load("run") is None


def test_writing_to_a_loaded_block_changes_nobody_elses(folder):
    write(folder, "run", b"first")
    mine = folder.load("run")
    np.frombuffer(mine, np.uint8)[:] = 0
    assert bytes(folder.load("run")) == b"first"


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_holds_is_kept(folder, tmp_path):
    program = (
        "import os, sys; from pathlib import Path; from dexctl.wire.shared import SharedFolder\n"
        "folder = SharedFolder(Path(sys.argv[1])); folder.publish('left', folder.create(9)); folder.create(9)\n"
        "os.kill(os.getpid(), 9)"
    )
    write(folder, "held", b"first")
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "shared")], check=False, timeout=20)
    assert len(list((tmp_path / "shared").iterdir())) == 3
    SharedFolder(tmp_path / "shared")
    assert [path.name for path in (tmp_path / "shared").iterdir()] == ["held"]


def test_a_full_folder_gives_private_memory(folder, monkeypatch, tmp_path):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    block, shared = write(folder, "run", b"first")
    assert not shared
    assert bytes(block.memory) == b"first"
    assert list((tmp_path / "shared").iterdir()) == []


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_folder_that_others_may_write_to_is_not_trusted(tmp_path, mode):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(mode)
    folder = SharedFolder(tmp_path / "shared")
    assert folder.identity == ""
    _, shared = write(folder, "run", b"first")
    assert not shared
    assert folder.load("run") is None


def test_a_link_is_not_taken_for_the_folder(tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "shared").symlink_to(tmp_path / "real")
    assert SharedFolder(tmp_path / "shared").identity == ""

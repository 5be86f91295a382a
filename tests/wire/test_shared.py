import resource
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
    block.write(0, memoryview(content)[:2])
    block.write(2, memoryview(content)[2:])
    assert bytes(block.load()) == content
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


def test_a_full_folder_gives_no_block_and_leaves_no_file(folder, tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Past the limit the kernel refuses to set room aside, as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limits[1]))
    try:
        assert folder.create(2 << 20) is None
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list((tmp_path / "shared").iterdir()) == []


def test_a_block_whose_file_somebody_removed_is_not_published(folder, tmp_path):
    block = folder.create(5)
    for path in (tmp_path / "shared").iterdir():
        path.unlink()
    assert not folder.publish("run", block)
    block.close()


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_folder_that_others_may_write_to_is_not_trusted(tmp_path, mode):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(mode)
    folder = SharedFolder(tmp_path / "shared")
    assert folder.identity == ""
    assert folder.create(5) is None
    assert folder.load("run") is None


def test_a_link_is_not_taken_for_the_folder(tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "shared").symlink_to(tmp_path / "real")
    assert SharedFolder(tmp_path / "shared").identity == ""

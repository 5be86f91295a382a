import os
import subprocess
import sys
from pathlib import Path

import pytest

from dexctl.console.run_folder import RunFolder, check_run_folder
from dexctl.errors import CreateError, InputOutputError, ProfileError, TemporaryError
from dexctl.profile.load import load

HOLD = Path(__file__).parent / "programs" / "hold_run_folder.py"


@pytest.fixture(scope="module")
def profile():
    return load("block", environment={})


def test_a_new_folder_holds_profile_lock_and_checkpoints(tmp_path, profile):
    with RunFolder(tmp_path / "deep" / "a", profile) as folder:
        assert not folder.resumed
        assert folder.name == "a"
        assert {path.name for path in folder.path.iterdir()} == {"lock", "profile.toml", "checkpoints"}
        assert (folder.path / "lock").read_text().startswith(f"process {os.getpid()} on ")
    assert load(str(folder.profile_path), environment={}).digest == profile.digest


def test_the_same_profile_resumes(tmp_path, profile):
    with RunFolder(tmp_path / "a", profile) as folder:
        (folder.checkpoints / "00001").mkdir()
    with RunFolder(tmp_path / "a", profile) as folder:
        assert folder.resumed
        assert (folder.checkpoints / "00001").exists()


def test_what_does_not_shape_learning_may_change(tmp_path, profile):
    with RunFolder(tmp_path / "a", profile) as folder:
        (folder.checkpoints / "00001").mkdir()
    with RunFolder(tmp_path / "a", load("block", ["run.workers=7"], environment={})) as folder:
        assert folder.resumed
        assert load(str(folder.profile_path), environment={}).profile.run.workers == 7


def test_another_profile_is_refused_with_the_keys_that_differ(tmp_path, profile):
    with RunFolder(tmp_path / "a", profile) as folder:
        (folder.checkpoints / "00001").mkdir()
    other = load("block", ["ppo.discount=0.5", "reward.goal=77", "run.workers=9"], environment={})
    for refuse in (RunFolder, check_run_folder):
        with pytest.raises(ProfileError, match=r"differ in ppo\.discount, reward\.goal\n.*--fresh"):
            refuse(tmp_path / "a", other)
    RunFolder(tmp_path / "a", profile).close()
    check_run_folder(tmp_path / "a", other, fresh=True)


def test_a_run_that_never_came_to_a_checkpoint_may_get_another_profile(tmp_path, profile):
    RunFolder(tmp_path / "a", profile).close()
    other = load("block", ["ppo.discount=0.5"], environment={})
    check_run_folder(tmp_path / "a", other)
    with RunFolder(tmp_path / "a", other) as folder:
        assert not folder.resumed
        assert load(str(folder.profile_path), environment={}).digest == other.digest


def test_fresh_starts_over_beside_and_touches_nothing(tmp_path, profile):
    other = load("block", ["ppo.discount=0.5"], environment={})
    paths = []
    for one in (profile, other, other):
        with RunFolder(tmp_path / "a", one, fresh=True) as folder:
            paths.append(folder.path.name)
            assert not folder.resumed
    assert paths == ["a", "a-2", "a-3"]
    with RunFolder(tmp_path / "a", profile) as folder:
        assert folder.path.name == "a"


def test_a_second_run_is_refused_until_the_first_is_gone(tmp_path, profile):
    command = [sys.executable, str(HOLD), str(tmp_path / "a"), "block"]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdin
    assert holder.stdout
    with holder:
        assert holder.stdout.readline() == "held\n"
        for refuse in (RunFolder, check_run_folder):
            with pytest.raises(TemporaryError, match=f"process {holder.pid} on ") as refused:
                refuse(tmp_path / "a", profile)
            assert refused.value.code == 75
        holder.kill()
        holder.wait()
    with RunFolder(tmp_path / "a", profile) as folder:
        assert folder.path.name == "a"


@pytest.mark.parametrize("make", [RunFolder, check_run_folder])
def test_a_place_that_cannot_be_written_to_is_refused(tmp_path, profile, make):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "a", tmp_path / "file"):
        with pytest.raises(CreateError) as refused:
            make(path, profile)
        assert refused.value.code == 73


def test_a_folder_of_something_else_is_left_alone(tmp_path, profile):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(CreateError, match="something else"):
        RunFolder(tmp_path, profile)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_failed_opening_lets_the_next_in(tmp_path, profile, monkeypatch):
    def full(path, content):
        raise InputOutputError("no space")

    with monkeypatch.context() as patch:
        patch.setattr("dexctl.console.run_folder.write_whole", full)
        with pytest.raises(InputOutputError):
            RunFolder(tmp_path / "a", profile)
    RunFolder(tmp_path / "a", profile).close()


def test_a_check_touches_nothing(tmp_path, profile):
    check_run_folder(tmp_path / "a", profile)
    assert not list(tmp_path.iterdir())

import shlex

import pytest

from dexctl.commands import COMMANDS
from dexctl.commands.options import complete_policies, complete_profiles, complete_runs, with_backend
from dexctl.commands.tree import load as load_command
from dexctl.profile.load import load


@pytest.mark.parametrize(
    ("variables", "line", "backend"),
    [
        ({"DEXCTL_SET": "physics.backend=warp"}, "", "warp"),
        ({"DEXCTL_SET": "physics.backend=cpu"}, "--set physics.backend=warp", "warp"),
        ({"DEXCTL_PHYSICS": "cpu"}, "--set physics.backend=warp", "cpu"),
        ({"DEXCTL_PHYSICS": "cpu"}, "--set physics.backend=cpu --physics warp", "warp"),
    ],
)
def test_a_flag_is_stronger_than_its_variable_and_that_than_set(monkeypatch, variables, line, backend):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    given = load_command("evaluate", COMMANDS["evaluate"].target).make_context("evaluate", shlex.split(line)).params
    profile = load("block", with_backend(given["settings"], given["physics"])).profile
    assert profile.physics.backend == backend


def test_profiles_complete_by_name():
    assert "block-yaw" in complete_profiles("block")
    assert complete_profiles("no-such") == []


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for run in ("runs/first", "runs/second"):
        (tmp_path / run / "checkpoints" / "000100").mkdir(parents=True)
        (tmp_path / run / "lock").touch()
    (tmp_path / "runs" / "notes").mkdir()


def test_policies_complete_by_name_and_by_path(runs):
    assert complete_policies("block-y") == ["block-yaw"]
    assert complete_policies("z") == ["zero"]
    assert complete_policies("runs/f") == ["runs/first"]
    assert {"block-yaw", "random", "runs/first"} <= set(complete_policies(""))


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("", ["runs/first", "runs/second"]),
        ("runs/", ["runs/first", "runs/second"]),
        ("runs/f", ["runs/first"]),
        ("runs/first", ["runs/first", "runs/first/checkpoints/000100"]),
        ("runs/first/checkpoints/0", ["runs/first/checkpoints/000100"]),
        ("./runs/s", ["./runs/second"]),
        ("elsewhere/", []),
        ("[", []),
    ],
)
def test_runs_and_their_checkpoints_complete_by_path(runs, typed, found):
    assert complete_runs(typed) == found

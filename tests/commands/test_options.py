import pytest

from dexctl.commands.options import complete_policies, complete_profiles, complete_runs


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

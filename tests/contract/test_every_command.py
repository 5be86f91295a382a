"""What every command keeps to, held for each in the table: one that is new is held as soon as it stands there."""

import os
import pty
import subprocess
from pathlib import Path

import msgspec
import numpy as np
import pytest

from dexctl.__main__ import main
from dexctl.commands import COMMANDS
from dexctl.commands.tree import load
from dexctl.profile.load import load as load_profile
from dexctl.store.images import ImagesMetadata, ImagesWriter
from dexctl.store.states import StatesMetadata, StatesWriter

from .conftest import everything

ROOT = Path(__file__).parents[2]
ESCAPE = "\x1b["
# A call of each command that only checks.
CHECKS = {
    "simulate": "-p block-yaw --seconds 1 --video a.mp4",
    "rollout-worker": "--connect tcp://127.0.0.1:1 -p block-yaw",
    "optimize": "-p block-yaw --run run",
    "evaluate": "--policy zero --profile block-yaw --trials 1",
    "keygen": "key",
}
# The same of commands that read datasets, in this process: the checks themselves take torch.
CHECKS_OF_DATA = {
    "render": "states.zarr -o images-2.zarr --sheet a.png --video a.mp4",
    "train-vision": "images.zarr -o run --held-out images.zarr",
}
# What takes a robot, or a recording of one, is held there, in a folder that is looked through likewise.
CHECKED_ELSEWHERE = {"deploy": "tests/robot/test_deploy.py", "calibrate": "tests/contract/test_calibrate.py"}
# A call of each command whose input is not there.
MISSING = {
    "simulate": "--policy none",
    "rollout-worker": "--connect tcp://127.0.0.1:1 --key none.key_secret --server-key none.key",
    "optimize": "-p block-yaw --from none --run run",
    "status": "tcp://127.0.0.1:1 --key none.key_secret --server-key none.key",
    "render": "none.zarr -o images.zarr",
    "train-vision": "none.zarr -p vision-small",
    "evaluate": "--policy none",
    "deploy": "--robot tcp://127.0.0.1:1 --policy none",
    "calibrate": "none.zarr -o fitted.toml",
    "inspect": "none",
}
# What reads no file of the user's but profiles, whose absence is 78.
WITHOUT_INPUT = {"profile", "doctor", "keygen"}


def parts(name):
    """A command, or the commands of a group, as they are called."""
    command = load(name, COMMANDS[name].target)
    return (
        {f"{name} {one}": part for one, part in command.commands.items()}
        if hasattr(command, "commands")
        else {name: command}
    )


CALLS = {called: part for name in COMMANDS for called, part in parts(name).items()}
DRY = [called for called, part in CALLS.items() if any("--dry-run" in one.opts for one in part.params)]
NUMBERS = [
    (called, max(one.opts, key=len))
    for called, part in CALLS.items()
    for one in part.params
    if one.type_descriptor.annotation is float
]
NEEDY = [called for called, part in CALLS.items() if any(one.required for one in part.params)]


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    """One state and its pictures, in the folder that commands of this process run in."""
    monkeypatch.chdir(tmp_path)
    loaded = load_profile("vision-small", (), {})
    edge_px, cameras = loaded.profile.vision.image_px, list(loaded.profile.cameras)
    shared = {"profile": msgspec.to_builtins(loaded.profile), "profile_digest": loaded.digest, "seed": 0}
    pose = {
        "qpos": np.zeros((1, 31), np.float32),
        "object_position_m": np.zeros((1, 3), np.float32),
        "object_quaternion_wxyz": np.array([[1, 0, 0, 0]], np.float32),
    }
    about = StatesMetadata(**shared, policy="zero", positions=31)
    with StatesWriter(tmp_path / "states.zarr", about) as writer:
        writer.append({**pose, "episode": np.zeros(1, np.int64)})
    sizes = {"height_px": edge_px, "width_px": edge_px, "positions": 31}
    about = ImagesMetadata(**shared, cameras=cameras, renderer="classic", **sizes)
    with ImagesWriter(tmp_path / "images.zarr", about, {}) as writer:
        pictures = np.zeros((1, len(cameras), edge_px, edge_px, 3), np.uint8)
        own = {"state_row": np.zeros(1, np.int64), "augmentation": np.zeros(1, np.uint8)}
        writer.append({**pose, **own, "images": pictures})


def test_every_command_is_checked_here_or_by_its_own_tests():
    assert set(DRY) == CHECKS.keys() | CHECKS_OF_DATA.keys() | CHECKED_ELSEWHERE.keys()
    assert all("everything(" in (ROOT / path).read_text() for path in CHECKED_ELSEWHERE.values())
    assert COMMANDS.keys() - WITHOUT_INPUT <= MISSING.keys()


@pytest.mark.parametrize("called", CALLS)
def test_an_unknown_option_is_wrong_usage_told_without_colour_off_a_terminal(shell, called):
    result = shell(f"dexctl {called} --no-such-option", FORCE_COLOR="1")
    assert (result.returncode, result.stdout) == (64, "")
    assert f"'dexctl {called} --help'" in result.stderr
    assert ESCAPE not in result.stderr


@pytest.mark.parametrize("called", CALLS)
def test_help_into_a_closed_pipe_is_141_without_a_word(environment, called):
    reader, writer = os.pipe()
    os.close(reader)
    line = ["dexctl", *called.split(), "--help"]
    result = subprocess.run(line, env=environment, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (result.returncode, result.stderr) == (141, "")


@pytest.mark.parametrize("called", NEEDY)
def test_what_is_needed_and_not_given_is_told_and_never_asked_for(terminal, called):
    code, screen = terminal(f"dexctl {called}")
    assert code == 64
    assert screen


@pytest.mark.parametrize(("called", "flag"), NUMBERS)
@pytest.mark.parametrize("number", ["nan", "-inf"])
def test_what_is_no_number_or_below_all_is_wrong_usage(capsys, called, flag, number):
    assert main([*called.split(), flag, number]) == 64
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"error: Invalid value for '{flag}'")


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_a_key_that_is_no_finite_number_is_a_bad_profile(capsys, number):
    assert main(["profile", "show", "block-yaw", "--set", f"ppo.discount={number}"]) == 78
    told = capsys.readouterr()
    assert told.out == ""
    assert f"ppo.discount: expected a number >= 0 and <= 1, got {number}" in told.err


@pytest.mark.parametrize("called", CHECKS)
def test_a_dry_run_touches_nothing(shell, tmp_path, called):
    (tmp_path / "before").touch()
    before = everything(tmp_path)
    result = shell(f"dexctl {called} {CHECKS[called]} --dry-run")
    assert result.returncode == 0, result.stderr
    assert everything(tmp_path) == before


@pytest.mark.parametrize("called", CHECKS_OF_DATA)
def test_a_dry_run_on_data_touches_nothing(datasets, tmp_path, called):
    before = everything(tmp_path)
    assert main([called, *CHECKS_OF_DATA[called].split(), "--dry-run"]) == 0
    assert everything(tmp_path) == before


@pytest.mark.parametrize("line", ["render - -o images.zarr", "train-vision - -o run"])
def test_a_terminal_on_stdin_where_rows_should_come_is_64_with_what_to_pipe(monkeypatch, capsys, tmp_path, line):
    monkeypatch.chdir(tmp_path)
    ours, theirs = pty.openpty()
    with os.fdopen(theirs) as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        assert main(line.split()) == 64
    os.close(ours)
    assert "nothing is piped into stdin\nTry: dexctl " in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in WITHOUT_INPUT])
def test_an_input_that_is_not_there_is_66_and_nothing_is_made(shell, tmp_path, name):
    result = shell(f"dexctl {name} {MISSING[name]}")
    assert (result.returncode, result.stdout) == (66, "")
    assert "none" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("line", ["simulate -p block-yaw --seconds 0.1", "profile list"])
def test_an_answer_into_a_closed_pipe_is_141_without_a_word(environment, tmp_path, line):
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        ["dexctl", *line.split()],
        env=environment,
        cwd=tmp_path,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert (result.returncode, result.stderr) == (141, "")

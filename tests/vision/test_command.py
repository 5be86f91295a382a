"""``dexctl train-vision`` as it is installed: a run, its resumption, what it makes, and what ends it."""

import json
import os
import signal
import subprocess
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import zarr

from dexctl.__main__ import main
from dexctl.console.run_folder import RunFolder
from dexctl.console.vision_sources import Wanted, open_source
from dexctl.errors import DataError, MissingError, ProfileError, ProtocolError, UsageError
from dexctl.policy import checkpoint
from dexctl.profile.load import load
from dexctl.store.images import Images

from ..contract.events_page import faults

DEXCTL = f"{sysconfig.get_path('scripts')}/dexctl"


@pytest.fixture
def dexctl(tmp_path):
    """Runs the command in an empty folder; gives its exit code, its events or document, and stderr."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DEXCTL_")}

    def run(*words, stdin=b""):
        done = subprocess.run(
            [DEXCTL, *words], cwd=tmp_path, input=stdin, capture_output=True, check=False, timeout=300, env=kept
        )
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        assert [fault for line in lines if "event" in line for fault in faults(line, words[0])] == []
        return done.returncode, lines, done.stderr.decode()

    return run


def announced(dataset, *stops):
    spans = zip((0, *stops), stops, strict=False)
    return [{"event": "rows", "dataset": dataset, "start": start, "stop": stop} for start, stop in spans]


def as_lines(events):
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def test_a_run_learns_measures_is_evaluated_and_keeps_its_profile(dexctl, write_images, tmp_path):
    write_images(tmp_path / "a.zarr", 60)
    write_images(tmp_path / "b.zarr", 20, renderer="filament", seed=1)
    command = ("train-vision", "a.zarr", "-o", "run", "--held-out", "b.zarr", "--threads", "1")
    code, events, stderr = dexctl(*command)
    assert code == 0, stderr
    measured = [event for event in events if event["event"] == "measurement"]
    assert [event["batches"] for event in measured] == [4, 8, 12]
    assert {event["renderer"] for event in measured} == {"filament"}
    assert (tmp_path / "run" / "vision.png").read_bytes().startswith(b"\x89PNG")
    saved = checkpoint.read(tmp_path / "run")
    assert (saved.header.progress.version, saved.header.progress.steps) == (12, 96)
    evaluate = ("evaluate", "--vision", "run", "--images", "a.zarr", "--images", "b.zarr")
    code, [document], stderr = dexctl(*evaluate, "--worst", "worst.png", "--json")
    assert code == 0, stderr
    assert [one["renderer"] for one in document["images"]] == ["classic", "filament"]
    last = measured[-1]["rotation_deg"]["mean"]
    assert document["images"][1]["rotation_deg"]["mean"] == pytest.approx(last, abs=1e-3)
    assert (tmp_path / "worst.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_pictures_that_come_are_learned_from_once_until_they_end_and_a_run_goes_on(dexctl, write_images, tmp_path):
    write_images(tmp_path / "a.zarr", 18)
    stream = as_lines([*announced("a.zarr", 10, 18), {"event": "end", "status": "done", "code": 0}])
    for resumed, states in ((False, 16), (True, 32)):
        code, events, stderr = dexctl("train-vision", "-", "-o", "run", stdin=stream)
        assert code == 0, stderr
        assert next(event for event in events if event["event"] == "ready")["resumed"] is resumed
        assert events[-2]["event"] == "checkpoint"
        assert events[-2]["states"] == states, "a batch is of 8, and nothing is seen twice"


def test_a_renderer_that_dies_leaves_a_checkpoint_of_what_came(dexctl, write_images, tmp_path):
    write_images(tmp_path / "a.zarr", 50)
    code, events, stderr = dexctl("train-vision", "-", "-o", "run", stdin=as_lines(announced("a.zarr", 50)))
    assert code == 69
    assert "ended without a word" in stderr
    assert checkpoint.read(tmp_path / "run").header.progress.steps == events[-2]["states"] == 48


def test_a_signal_leaves_a_checkpoint_of_what_was_learned(write_images, tmp_path):
    write_images(tmp_path / "a.zarr", 20)
    words = ("train-vision", "a.zarr", "-o", "run", "--threads", "1", "--set", "vision.training.batches=1000000")
    with subprocess.Popen(
        [DEXCTL, *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as training:
        next(line for line in training.stdout if json.loads(line)["event"] == "iteration")
        training.send_signal(signal.SIGTERM)
        told, stderr = training.communicate(timeout=300)
    assert training.returncode == 143, stderr
    end = json.loads(told.splitlines()[-1])
    assert (end["event"], end["code"], end["status"]) == ("end", 143, "stopped")
    assert checkpoint.read(tmp_path / "run").header.progress.version > 0


def open_images(path, profile=None, *settings):
    return open_source(Wanted((str(path),), profile, settings))


def test_the_profile_is_that_of_the_pictures_and_settings_lie_over_it(toy, write_images, tmp_path):
    path = write_images(tmp_path / "a.zarr", 10)
    source = open_images(path)
    assert source.loaded.profile == toy.profile
    assert source.loaded.digest == toy.digest
    changed = open_images(path, None, "vision.training.learning_rate=0.5").loaded
    assert changed.profile.vision.training.learning_rate == 0.5
    assert changed.origins["vision.training.learning_rate"] == "--set"


def test_what_is_no_dataset_of_such_pictures_is_refused(write_images, tmp_path):
    path = write_images(tmp_path / "a.zarr", 10)
    with pytest.raises(MissingError, match=r"nowhere\.zarr"):
        open_images(tmp_path / "nowhere.zarr")
    zarr.create_group(store=str(tmp_path / "foreign.zarr"))
    with pytest.raises(DataError, match=r"foreign\.zarr"):
        open_images(tmp_path / "foreign.zarr")
    with pytest.raises(DataError, match="16 x 16 px, the network sees 64 x 64"):
        open_images(path, "vision-small")
    with pytest.raises((DataError, ProtocolError)):
        open_images(path, "vision-paper")
    with pytest.raises(ProfileError, match="vision"):
        open_images(path, "block")
    with pytest.raises(UsageError, match="'-'"):
        open_source(Wanted(("-", str(path)), None, ()))


def test_a_dry_run_refuses_what_the_run_would_and_no_more(write_images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "a.zarr", 10)
    command = ("train-vision", "a.zarr", "-o", "run", "-n")
    with RunFolder(tmp_path / "run", load("vision-small", (), {})) as folder:
        (folder.checkpoints / "00001").touch()
    assert main(command) == 78
    assert main((*command, "--fresh")) == 0
    assert main((*command, "--fresh", "--held-out", "none.zarr")) == 66
    zarr.create_group(store=str(tmp_path / "foreign.zarr"))
    for dry in (["-n"], []):
        words = ("train-vision", "a.zarr", "-o", "other", *dry, "--held-out", "foreign.zarr")
        assert main(words) == 65
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("array", "value", "message"),
    [
        ("object_position_m", np.nan, "row 7"),
        ("object_quaternion_wxyz", 0.9, "row 7"),
        ("object_quaternion_wxyz", np.inf, "row 7"),
    ],
)
def test_a_row_that_is_no_pose_is_named_with_dataset_and_array(array, value, message, write_images, tmp_path):
    path = write_images(tmp_path / "a.zarr", 10)
    group = zarr.open_group(store=str(path), mode="r+")
    group[array][7] = value
    source = open_images(path)
    with pytest.raises(DataError, match=message) as found:
        next(source.portions(0))
    assert str(path) in str(found.value)
    assert array in str(found.value)


def test_rows_that_were_announced_and_are_not_there_are_refused(write_images, tmp_path, monkeypatch):
    path = write_images(tmp_path / "a.zarr", 10)
    lines = as_lines(announced(str(path), 8, 99)).splitlines(keepends=True)
    monkeypatch.setattr("sys.stdin", type("Pipe", (), {"buffer": lines, "isatty": lambda self: False})())
    portions = open_source(Wanted(("-",), None, ())).portions(0)
    assert len(next(portions)) == 8
    with pytest.raises(DataError, match="row 98 was announced, and 10 rows are whole"):
        next(portions)
    assert len(Images(Path(path))) == 10

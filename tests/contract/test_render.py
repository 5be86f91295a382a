"""``simulate --states`` and ``render``, as a person or a script runs them."""

import json

import numpy as np
import pytest

from dexctl.store.images import Images
from dexctl.store.states import States

GATHER = "dexctl simulate --policy zero -p block-paper --set task.start_random_steps=0"
FEW = "--set render.detail_px=6.0 --size 16 --workers 1"


def events(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_states_and_pictures_stream_through_a_pipe(shell, tmp_path):
    made = shell(f"{GATHER} --states 16 --every 2 -o states.zarr | dexctl render - {FEW} -o images.zarr --seed 3")
    assert made.returncode == 0, made.stderr
    told = [event for event in events(made) if event["event"] == "rows"]
    assert [(event["dataset"], event["start"], event["stop"]) for event in told] == [("images.zarr", 0, 16)]
    states, images = States(tmp_path / "states.zarr"), Images(tmp_path / "images.zarr")
    assert (len(states), len(images)) == (16, 16)
    assert images.metadata.cameras == ["top", "left", "right"]
    rows = images.read(0, 16)
    assert rows["images"].shape == (16, 3, 16, 16, 3)
    assert rows["images"].std(axis=(1, 2, 3, 4)).min() > 1
    np.testing.assert_array_equal(rows["state_row"], np.arange(16))
    # What is not augmented stays where the state has it.
    kept = rows["augmentation"] == 0
    assert 0 < kept.sum() < 16
    np.testing.assert_allclose(
        rows["object_position_m"][kept], states.read(0, 16)["object_position_m"][kept], atol=1e-6
    )


@pytest.mark.slow
def test_rendering_goes_on_and_gives_what_one_go_would(shell, states, tmp_path):
    assert shell(f"dexctl render states.zarr {FEW} -o whole.zarr --count 15").returncode == 0
    assert shell(f"dexctl render states.zarr {FEW} -o parts.zarr --count 6").returncode == 0
    made = shell(f"dexctl render states.zarr {FEW} -o parts.zarr --count 15 --sheet sheet.png --quiet")
    assert made.stdout.split() == ["parts.zarr", "sheet.png"]
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
    whole, parts = (Images(tmp_path / name).read(0, 15) for name in ("whole.zarr", "parts.zarr"))
    for name, values in whole.items():
        np.testing.assert_array_equal(values, parts[name], err_msg=name)
    assert whole["state_row"].tolist() == [*range(12), *range(3)]


@pytest.mark.slow
def test_what_a_broken_stream_brought_is_kept(shell, states, tmp_path):
    line = json.dumps({"event": "rows", "dataset": "states.zarr", "start": 0, "stop": 8})
    made = shell(f"echo '{line}' | dexctl render - {FEW} -o images.zarr")
    assert made.returncode == 69
    assert "ended without a word" in made.stderr
    assert len(Images(tmp_path / "images.zarr")) == 8


def test_without_gl_the_packages_are_named(shell, states, tmp_path):
    made = shell(f"dexctl render states.zarr {FEW} -o images.zarr", MUJOCO_GL="egl", __EGL_VENDOR_LIBRARY_DIRS="/none")
    assert made.returncode == 69
    assert "apt-get install libegl1 libgl1-mesa-dri" in made.stderr
    assert not (tmp_path / "images.zarr").exists()


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("dexctl render states.zarr --size 16", 64, "nothing is to be made"),
        ("dexctl render states.zarr -o x.zarr", 64, "how large pictures are"),
        ("dexctl render none.zarr -o x.zarr", 66, "no such dataset"),
        ("dexctl render states.zarr --size 16 --sheet sheet.jpg", 64, "not a .png"),
        ("dexctl render states.zarr --size 16 -o nowhere/x.zarr", 73, "no folder"),
        pytest.param(
            "dexctl render states.zarr --size 16 -o states.zarr", 73, "something else", marks=pytest.mark.slow
        ),
        ("dexctl simulate --states 10", 64, "nowhere to go"),
        ("dexctl simulate -o x.zarr", 64, "--output belongs to --states N, not to a policy's play"),
        ("dexctl simulate --states 10 -o nowhere/x.zarr", 73, "no folder"),
    ],
)
def test_wrong_arguments_are_named_with_the_cure(shell, states, line, code, words):
    result = shell(line)
    assert (result.returncode, result.stdout.count('"rows"')) == (code, 0)
    assert words in result.stderr

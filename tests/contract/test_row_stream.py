"""``simulate --bind``, ``render tcp:// --bind`` and ``train-vision tcp://``: one pipe on three endpoints."""

import signal
import socket

import pytest

from dexctl.policy import checkpoint

GATHER = "simulate --policy zero -p block-paper --set task.start_random_steps=0 --every 2 --bind tcp://127.0.0.1:0"
DRAW = "--set render.detail_px=6.0 --size 16 --workers 1 -p vision-small --bind tcp://127.0.0.1:0"
LEARN = " ".join(
    f"--set vision.{setting}"
    for setting in (
        "image_px=16",
        "network.filters=[4]",
        "network.kernels_px=[3]",
        "network.strides=[1]",
        "network.group_filters=[12]",
        "network.group_blocks=[1]",
        "network.dense=16",
        "network.group_strides=[1]",
        "training.batch=8",
    )
)


@pytest.fixture
def pipe(start):
    """Starts the three commands, each with more options."""

    def begin(states, gathering="", drawing=""):
        gather = start(f"{GATHER} --states {states} {gathering}")
        draw = start(f"render {gather.wait('listening')[0]['endpoint']} {DRAW} {drawing}")
        learn = start(f"train-vision {draw.wait('listening')[0]['endpoint']} -o run --threads 1 {LEARN}")
        return gather, draw, learn

    return begin


@pytest.mark.slow
def test_states_and_pictures_pass_three_endpoints_and_all_end(pipe, tmp_path):
    gather, draw, learn = pipe(48)
    assert [learn.end(), draw.end(), gather.end()] == [0, 0, 0], learn.messages + draw.messages + gather.messages
    assert learn.of("checkpoint")[-1]["states"] == 48, "each state once"
    assert not list(tmp_path.glob("*.zarr"))


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1, 2])
def test_killing_one_ends_the_others_with_what_came_kept(killed, pipe, tmp_path):
    programs = pipe(100_000, "-o states.zarr", "-o images.zarr")
    programs[2].wait("iteration")
    programs[killed].ask(signal.SIGKILL)
    codes = [program.end() for program in programs]
    assert codes == [-signal.SIGKILL if index == killed else 69 for index in range(3)]
    for index, program in enumerate(programs):
        if index != killed:
            assert program.of("end")[-1]["code"] == 69
    if killed != 2:
        assert checkpoint.read(tmp_path / "run").header.progress.steps > 0


def test_endpoints_that_cannot_be_are_named_with_the_cure(shell):
    for line, code, words in (
        (f"dexctl {GATHER.replace('127.0.0.1:0', '0.0.0.0:0')} --states 10", 77, "--insecure"),
        ("dexctl simulate --bind tcp://127.0.0.1:0", 64, "--bind belongs to --states N"),
        ("dexctl render tcp://nowhere -o x.zarr", 64, "tcp://HOST:PORT"),
        ("dexctl train-vision tcp://127.0.0.1:1 x.zarr", 64, "do not go together"),
        ("dexctl train-vision tcp://127.0.0.1:1 --key x", 64, "--server-key together"),
    ):
        result = shell(line)
        assert (result.returncode, words in result.stderr) == (code, True), (line, result.stderr)


@pytest.mark.slow
def test_endpoints_that_are_taken_or_empty_are_named_with_the_cure(shell):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for line, code, words in (
            (f"dexctl {GATHER.replace('127.0.0.1:0', f'127.0.0.1:{port}')} --states 10", 73, "cannot bind"),
            (f"dexctl render tcp://127.0.0.1:{port} -o x.zarr --timeout 0.2", 69, "nobody at"),
            ("dexctl train-vision tcp://127.0.0.1:1 --timeout 0.2", 69, "nobody at"),
        ):
            result = shell(line)
            assert (result.returncode, words in result.stderr) == (code, True), (line, result.stderr)

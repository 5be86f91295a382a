"""Signals in the middle of a command: one ends it as stated, with what it made whole and gone on with, two at once."""

import signal

import pytest

from dexctl.store.images import Images
from dexctl.store.states import States

GATHER = "simulate --policy zero -p block-paper --set task.start_random_steps=0 --every 2 -o states.zarr"
DRAW = "render states.zarr -o images.zarr --set render.detail_px=6.0 --size 16 --workers 1"


def ends_with(program, number, after, tells=None):
    program.wait(after)
    if tells is not None:
        program.ask(signal.SIGUSR1)
        assert program.wait("status")[0][tells] >= 0
    program.ask(number)
    assert program.end() == 128 + number, program.messages
    (end,) = program.of("end")
    assert (end["code"], end["status"]) == (128 + number, "stopped")
    assert not [line for line in program.messages if "Traceback" in line]


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_gathering_keeps_the_states_it_has_and_goes_on(start, shell, tmp_path, number):
    ends_with(start(f"{GATHER} --states 1000000"), number, "rows")
    states = tmp_path / "states.zarr"
    kept = len(States(states))
    assert kept >= 1
    assert shell(f"dexctl {GATHER} --states {kept + 2}").returncode == 0
    assert len(States(states)) == kept + 2


@pytest.mark.slow
@pytest.mark.usefixtures("states")
def test_rendering_keeps_the_pictures_it_has_and_goes_on(start, shell, tmp_path):
    ends_with(start(f"{DRAW} --count 1000000"), signal.SIGTERM, "ready", tells="states")
    kept = len(Images(tmp_path / "images.zarr")) if (tmp_path / "images.zarr").exists() else 0
    assert shell(f"dexctl {DRAW} --count {kept + 2}").returncode == 0
    assert len(Images(tmp_path / "images.zarr")) == kept + 2


def test_a_served_robot_ends(start):
    robot = start("simulate --serve tcp://127.0.0.1:0 -p robot/twin --rate max")
    ends_with(robot, signal.SIGTERM, "ready")


def test_a_second_signal_leaves_at_once(start):
    worker = start("rollout-worker --connect tcp://127.0.0.1:1 --timeout inf")
    worker.wait("start")
    # Both wait for it when it goes on, so that the first does not end it before the second comes.
    for number in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
        worker.ask(number)
    assert worker.end() == 128 + signal.SIGTERM, worker.messages
    assert worker.of("end") == []
    assert not [line for line in worker.messages if "Traceback" in line]

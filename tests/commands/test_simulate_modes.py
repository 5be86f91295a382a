"""What ``dexctl simulate`` is asked to do, and options that what is asked for would not look at."""

import shlex

import pytest

from dexctl.commands import COMMANDS
from dexctl.commands.simulate_modes import MODES, mode_of
from dexctl.commands.tree import load

COMMAND = load("simulate", COMMANDS["simulate"].target)


def context(line):
    return COMMAND.make_context("simulate", shlex.split(line))


def misplaced(asked):
    return MODES.misplaced(asked, mode_of(asked.params))


def test_every_option_has_its_place():
    assert MODES.of.keys() == {one.name for one in COMMAND.params} - {"help"}


@pytest.mark.parametrize(
    ("line", "mode"),
    [
        ("", "play"),
        ("-p block --policy random --greedy --seed 3 --seconds 2 --video a.mp4 --png a.png --camera top", "play"),
        ("web --view --port 8081 --set ppo.clip=0.1 -n --json -q", "play"),
        ("--view", "play"),
        ("--replay a.zarr --video a.mp4 --camera top", "--replay"),
        ("--serve tcp://h:1 -p robot/twin --robot-seed 2 --cameras classic --rate max --insecure", "--serve"),
        ("--serve tcp://h:1 --key a --allow b --endpoint-file c --set ppo.clip=0.1", "--serve"),
        ("--samples 9 -p block-paper --policy zero --seed 4 --plot a.png", "--samples"),
        ("--states 9 --every 3 -o a.zarr --policy zero --seed 4 --greedy", "--states"),
        ("--states 9 --bind tcp://h:1 --key a --allow b --endpoint-file c --insecure", "--states"),
    ],
)
def test_what_belongs_together_is_taken(line, mode):
    asked = context(line)
    assert mode_of(asked.params) == mode
    assert misplaced(asked) is None


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--rate max", "--rate belongs to --serve ENDPOINT, not to a policy's play"),
        ("--rate real --video a.mp4", "--rate belongs to --serve ENDPOINT"),
        ("--plot a.png", "--plot belongs to --samples N"),
        ("-o a.zarr", "--output belongs to --states N"),
        ("--insecure", "--insecure belongs to --serve ENDPOINT or --states N"),
        (
            "--serve tcp://h:1 --seed 0",
            "--seed belongs to --samples N or --states N or a policy's play, not to --serve",
        ),
        ("--serve tcp://h:1 --policy zero", "--policy belongs to"),
        ("--serve tcp://h:1 --states 4", "--states belongs to --states N, not to --serve"),
        ("--replay a.zarr -p block --video a.mp4", "--profile belongs to"),
        ("--replay a.zarr --video a.mp4 --seconds 3", "--seconds belongs to a policy's play, not to --replay"),
        ("--samples 4 --greedy", "--greedy belongs to"),
        ("--states 4 -o a.zarr --robot-seed 0", "--robot-seed belongs to --serve ENDPOINT, not to --states"),
        ("--states 4 -o a.zarr --endpoint-file a", "--endpoint-file goes with --bind tcp://127.0.0.1:0"),
        ("web", "'web' goes with --view"),
        ("--view --port 8081", "--port goes with --view web"),
        ("--camera top", "--camera goes with --video or --png"),
    ],
)
def test_what_belongs_elsewhere_is_named_with_its_place(line, says):
    told = misplaced(context(line))
    assert told is not None
    assert told[0].startswith(says)


def test_what_stands_in_the_environment_is_meant_for_others_too(monkeypatch):
    monkeypatch.setenv("DEXCTL_RATE", "max")
    monkeypatch.setenv("DEXCTL_SECONDS", "2")
    asked = context("--states 9 -o a.zarr")
    assert asked.params["rate"] == "max"
    assert misplaced(asked) is None

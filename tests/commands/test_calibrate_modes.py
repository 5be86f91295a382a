"""What ``dexctl calibrate`` is asked to do, and options that what is asked for would not look at."""

import shlex

import pytest

from dexctl.commands import COMMANDS
from dexctl.commands.calibrate_modes import MODES, mode_of
from dexctl.commands.tree import load

COMMAND = load("calibrate", COMMANDS["calibrate"].target)


def misplaced(line):
    asked = COMMAND.make_context("calibrate", shlex.split(line))
    return MODES.misplaced(asked, mode_of(asked.params))


def test_every_option_has_its_place():
    assert MODES.of.keys() == {one.name for one in COMMAND.params} - {"help"}


@pytest.mark.parametrize(
    "line",
    [
        "a.zarr -o a.toml --hand shadow -p block --whole --groups motors --fingers ff --fresh --set ppo.clip=0.1 -n -q",
        "a.zarr -o a.toml --method coordinate --seed 3 --json",
        "a.zarr -o a.toml --sensors --hand shadow --whole --set ppo.clip=0.1",
        "--record -o a.zarr --robot tcp://h:1 -p robot/same --fingers ff --arm --timeout 3 --key a --server-key b",
    ],
)
def test_what_belongs_together_is_taken(line):
    assert misplaced(line) is None


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("--record --set ppo.clip=0.1", "--set belongs to a fit or --sensors, not to --record"),
        ("--record --hand shadow", "--hand belongs to"),
        ("--record --seed 0", "--seed belongs to a fit, not to --record"),
        ("--record a.zarr", "'a.zarr' belongs to a fit or --sensors, not to --record"),
        ("--record --sensors", "--sensors belongs to --sensors, not to --record"),
        ("a.zarr --timeout 10", "--timeout belongs to --record, not to a fit"),
        ("a.zarr --arm", "--arm belongs to --record"),
        ("a.zarr --server-key a", "--server-key belongs to --record"),
        ("a.zarr --sensors --fresh", "--fresh belongs to a fit, not to --sensors"),
        ("a.zarr --sensors --fingers ff", "--fingers belongs to a fit or --record, not to --sensors"),
        ("a.zarr --seed 1", "--seed goes with --method coordinate"),
    ],
)
def test_what_belongs_elsewhere_is_named_with_its_place(line, says):
    told = misplaced(line)
    assert told is not None
    assert told[0].startswith(says)
    assert "calibrate" in told[1] or "Add" in told[1]

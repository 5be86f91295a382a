import re
import sys
import sysconfig

import pytest

import dexctl
from dexctl.commands import COMMANDS

HEAVY = {"torch", "mujoco", "zarr", "numpy", "matplotlib", "zmq", "scipy", "gymnasium", "rich", "pydantic"}
DEXCTL = f"{sysconfig.get_path('scripts')}/dexctl"


def test_help_lists_every_command_with_its_line(shell):
    listed = shell("dexctl --help")
    assert (listed.returncode, listed.stderr) == (0, "")
    text = " ".join(listed.stdout.split())
    for name, entry in COMMANDS.items():
        assert f"{name} {entry.help}" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_tells_what_the_list_says_and_every_option_in_words(shell, name):
    told = shell(f"dexctl {name} --help")
    assert (told.returncode, told.stderr) == (0, "")
    lines = re.sub(r"\n {8,}", "  ", told.stdout).splitlines()
    assert lines[0].startswith(f"Usage: dexctl {name} ")
    paragraph = lines[2 : lines.index("", 2)]
    assert " ".join(map(str.strip, paragraph)) == COMMANDS[name].help
    options = [line.strip() for line in lines if line.startswith("  -")]
    assert options
    assert [option for option in options if len(option.partition("  ")[2].split()) < 2] == []


def test_help_has_a_short_flag_too(shell):
    for arguments in ("", "keygen", "profile", "profile show"):
        assert shell(f"dexctl {arguments} -h").stdout == shell(f"dexctl {arguments} --help").stdout != ""


@pytest.mark.parametrize("arguments", ["", *COMMANDS, "profile show"])
def test_help_imports_nothing_heavy(shell, arguments):
    told = shell(f"{sys.executable} -X importtime {DEXCTL} {arguments} --help")
    assert told.returncode == 0
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in told.stderr.splitlines()}
    assert "typer" in imported
    assert not imported & HEAVY


def test_the_version_is_one_line(shell):
    told = shell("dexctl --version")
    assert (told.returncode, told.stdout, told.stderr) == (0, f"dexctl {dexctl.__version__}\n", "")


def test_without_a_command_help_goes_to_stderr(shell):
    told = shell("dexctl")
    assert (told.returncode, told.stdout) == (64, "")
    assert told.stderr.startswith("Usage: dexctl ")


@pytest.mark.parametrize("which", ["bash", "zsh", "fish"])
def test_completion_knows_the_commands(shell, which):
    words = {"COMP_WORDS": "dexctl doc", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "dexctl doc"}
    told = shell("dexctl", _DEXCTL_COMPLETE=f"complete_{which}", _TYPER_COMPLETE_FISH_ACTION="get-args", **words)
    assert told.returncode == 0
    assert "doctor" in told.stdout
    assert "keygen" not in told.stdout


def test_completion_knows_the_profiles(shell):
    variables = {"_DEXCTL_COMPLETE": "complete_bash", "COMP_WORDS": "dexctl profile show block-y", "COMP_CWORD": "3"}
    assert shell("dexctl", **variables).stdout.split() == ["block-yaw"]

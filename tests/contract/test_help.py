import re
import shlex
import shutil
import subprocess
import sys
import sysconfig

import pytest

import dexctl
from dexctl.commands import COMMANDS
from dexctl.commands.examples import EXAMPLES
from dexctl.commands.tree import load

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


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_examples_are_lines_that_it_takes(name):
    for example in EXAMPLES[name]:
        for part in example.line.split(" | "):
            program, called, *arguments = shlex.split(part)
            assert program == "dexctl"
            command = load(called, COMMANDS[called].target)
            if called == "profile":
                command, arguments = command.commands[arguments[0]], arguments[1:]
            command.make_context(called, arguments).close()
    assert any(f"dexctl {name}" in example.line for example in EXAMPLES[name])


@pytest.mark.parametrize("which", ["bash", "zsh", "fish"])
def test_completion_knows_the_commands(shell, which):
    told = completed(shell, which, "dexctl doc")
    assert "doctor" in told
    assert "keygen" not in told


@pytest.mark.parametrize("which", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("line", "found", "not_found"),
    [
        ("dexctl profile show block-y", "block-yaw", "sphere"),
        ("dexctl optimize --profile sph", "sphere", "block"),
        ("dexctl evaluate --policy block-y", "block-yaw", "zero"),
        ("dexctl simulate --policy z", "zero", "block-yaw"),
    ],
)
def test_completion_knows_profiles_and_policies(shell, which, line, found, not_found):
    told = completed(shell, which, line)
    assert found in told
    assert not_found not in told


def test_completion_imports_nothing_heavy(shell):
    line = "dexctl evaluate --policy block-y"
    words = {"COMP_WORDS": line, "COMP_CWORD": "3", "_DEXCTL_COMPLETE": "complete_bash"}
    told = shell(f"{sys.executable} -X importtime {DEXCTL}", **words)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in told.stderr.splitlines()}
    assert told.stdout.split() == ["block-yaw"]
    # Typer takes pydantic to a word that is given in part.
    assert not imported & (HEAVY - {"pydantic"})


def completed(shell, which, line):
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1), "_TYPER_COMPLETE_ARGS": line}
    told = shell("dexctl", _DEXCTL_COMPLETE=f"complete_{which}", _TYPER_COMPLETE_FISH_ACTION="get-args", **words)
    assert told.returncode == 0, told.stderr
    return told.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_a_real_bash_completes_a_policy(environment, tmp_path):
    script = """
    eval "$(dexctl --show-completion)"
    COMP_WORDS=(dexctl evaluate --policy block-y) COMP_CWORD=3
    _dexctl_completion dexctl
    printf '%s\n' "${COMPREPLY[@]}"
    """
    told = subprocess.run(
        ["bash", "--norc", "-c", script],
        env={**environment, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "", "SHELL": "/bin/bash"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stdout.split() == ["block-yaw"], told.stderr

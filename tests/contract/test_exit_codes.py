import json
import os
import subprocess

import pytest


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("dexctl optimise", 64, "Did you mean 'optimize'?"),
        ("dexctl nothing-like-it", 64, "'dexctl --help'"),
        ("dexctl --no-such-option", 64, "--no-such-option"),
        ("dexctl keygen", 64, "'dexctl keygen --help'"),
        ("dexctl keygen one two", 64, "two"),
        ("dexctl keygen --quite one", 64, "--quiet"),
        ("dexctl profile", 64, "Usage: dexctl profile"),
        ("dexctl profile show", 64, "NAME"),
        ("dexctl profile shw block", 64, "show"),
        ("dexctl profile show blok", 78, "block"),
        ("dexctl profile check block --set ppo.gama=1", 78, "gama"),
        ("dexctl keygen missing/key", 73, "missing"),
        ("dexctl optimize -p block --allow . -n", 64, "--key"),
        ("dexctl rollout-worker --connect head:5 -n", 64, "tcp://HOST:PORT"),
        ("dexctl rollout-worker --connect tcp://h:5 --key a --server-key b -n", 66, "no key file at a"),
        ("dexctl profile list > /dev/full", 74, "No space left"),
        ("dexctl profile list >&-", 74, "closed"),
    ],
)
def test_a_wrong_call_is_told_in_two_lines(shell, line, code, told):
    result = shell(line)
    assert result.returncode == code
    assert told in result.stderr
    assert "Traceback" not in result.stderr
    if "Usage:" not in result.stderr:
        first, *rest = result.stderr.splitlines()
        assert first.startswith("error: ")
        assert len(rest) <= 1


def test_a_bug_shows_its_traceback(shell, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import dexctl.console.key_pair as keys\n"
        "def broken(path):\n    raise ZeroDivisionError('ours')\n"
        "keys.make_key_pair = broken\n"
    )
    result = shell("dexctl keygen key", PYTHONPATH=str(tmp_path))
    assert result.returncode == 70
    assert "Traceback" in result.stderr
    assert "ZeroDivisionError: ours" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: this is a bug")


def test_an_interrupt_is_130_without_a_word(shell, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal\nimport dexctl.console.key_pair as keys\n"
        "keys.make_key_pair = lambda path: os.kill(os.getpid(), signal.SIGINT)\n"
    )
    result = shell("dexctl keygen key", PYTHONPATH=str(tmp_path))
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "")


@pytest.mark.parametrize("arguments", ["profile show block --json", "--help", "--version"])
def test_a_closed_pipe_is_141_without_a_word(environment, arguments):
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        ["dexctl", *arguments.split()], env=environment, stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert (result.returncode, result.stderr) == (141, "")


def test_an_unknown_command_runs_its_program_from_path(shell, plugin):
    path = plugin("greet", '#!/bin/sh\necho "hello $*"\nexit 7\n')
    result = shell("dexctl greet you --json", **path)
    assert (result.returncode, result.stdout, result.stderr) == (7, "hello you --json\n", "")


def test_a_program_on_path_never_hides_a_command(shell, plugin):
    path = plugin("profile", "#!/bin/sh\nexit 7\n")
    assert shell("dexctl profile list", **path).returncode == 0


def test_a_program_that_cannot_start_is_told(shell, plugin):
    result = shell("dexctl greet", **plugin("greet", "#!/no/such/interpreter\n"))
    assert result.returncode == 69
    assert "dexctl-greet" in result.stderr


def test_quiet_prints_only_the_files_that_keygen_made(shell, tmp_path):
    result = shell("dexctl keygen --quiet worker")
    assert (result.returncode, result.stdout, result.stderr) == (0, "worker.key\nworker.key_secret\n", "")
    assert (tmp_path / "worker.key_secret").exists()
    again = shell("dexctl keygen worker")
    assert (again.returncode, again.stdout) == (73, "")


def test_a_dry_run_says_what_would_fail(shell):
    assert shell("dexctl keygen -n missing/worker").returncode == 73


def test_options_are_read_from_the_environment(shell):
    assert shell("dexctl keygen one", DEXCTL_QUIET="1").stdout == "one.key\none.key_secret\n"
    document = json.loads(shell("dexctl keygen two", DEXCTL_JSON="1").stdout)
    assert document["public_file"] == "two.key"


def test_doctor_answers_with_one_document(shell):
    result = shell("dexctl doctor --json")
    document = json.loads(result.stdout)
    assert result.returncode == (0 if document["ok"] else 69)
    assert {"python", "cores", "gl", "port", "runs", "profiles"} <= {check["name"] for check in document["checks"]}
    assert all(check["cure"] for check in document["checks"] if check["state"] == "failed")


def test_doctor_says_no_with_69_and_the_cure(shell, tmp_path):
    result = shell("dexctl doctor", MUJOCO_GL="nonsense")
    assert result.returncode == 69
    assert "gl" in result.stderr.splitlines()[0]
    assert "libegl1" in result.stderr

"""tools/ssh-workers over a real sshd, and tools/slurm-workers as far as it goes without Slurm."""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
PATIENCE_S = 60.0
# Stands in for dexctl where only the launching is looked at: says what it got, and works until it is told to end.
WORKER = """#!/bin/sh
echo "$@"
echo "to stderr" >&2
case $* in *--fail*) exit 77 ;; esac
sleep 600 >/dev/null 2>&1 &
trap 'echo told to end; kill $!; exit 143' TERM
echo $$ >>{pids}
wait
"""
with_sshd = pytest.mark.skipif(
    SSHD is None or shutil.which("ssh") is None, reason="Debian's openssh-server is not here"
)


def run(*words, stdin="", patience_s=PATIENCE_S, **variables):
    return subprocess.run(
        [str(word) for word in words],
        input=stdin,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=patience_s,
        check=False,
    )


@pytest.fixture
def ssh(tmp_path):
    """The ssh command line that reaches a daemon of this test's own, as this user."""
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    shutil.copy(tmp_path / "user.pub", tmp_path / "authorized")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    options = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": tmp_path / "host",
        "AuthorizedKeysFile": tmp_path / "authorized",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PermitRootLogin": "prohibit-password",
    }
    (tmp_path / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
    with subprocess.Popen([SSHD, "-D", "-f", tmp_path / "sshd_config"]) as daemon:
        client = ("BatchMode=yes", f"Port={port}", f"IdentityFile={tmp_path / 'user'}", "UserKnownHostsFile=/dev/null")
        words = [
            "ssh",
            *(word for one in (*client, "StrictHostKeyChecking=no", "LogLevel=ERROR") for word in ("-o", one)),
        ]
        deadline_s = time.monotonic() + PATIENCE_S
        while run(*words, "127.0.0.1", "true").returncode != 0:
            assert time.monotonic() < deadline_s
            assert daemon.poll() is None
        yield " ".join(words)
        daemon.terminate()


@pytest.fixture
def worker(tmp_path):
    """A stand-in for dexctl; the process ids of those that work are in ``pids``."""
    path = tmp_path / "worker"
    path.write_text(WORKER.format(pids=tmp_path / "pids"))
    path.chmod(0o755)
    return str(path)


@with_sshd
def test_workers_run_on_their_hosts_and_end_with_ctrl_c(ssh, worker, tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text(f"# ours\n2/127.0.0.1\n{getpass.getuser()}@localhost # and by name\n")
    with subprocess.Popen(
        [ROOT / "tools" / "ssh-workers", hosts, "--", "--connect", "tcp://head:5", "--name", "it's $HOME"],
        env={**os.environ, "SSH": ssh, "DEXCTL": worker},
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as launcher:
        lines = [launcher.stdout.readline().rstrip() for _ in range(6)]
        names = ["127.0.0.1/0", "127.0.0.1/1", f"{getpass.getuser()}@localhost/0"]
        said = "rollout-worker --connect tcp://head:5 --name it's $HOME"
        assert sorted(lines) == sorted(f"{name}: {line}" for name in names for line in (said, "to stderr"))
        pids = wait_for_lines(tmp_path / "pids", 3)
        # As a terminal does it: to everybody in the foreground.
        os.killpg(launcher.pid, signal.SIGINT)
        rest = launcher.stdout.read().splitlines()
        assert launcher.wait(PATIENCE_S) == 130
    assert sorted(rest) == sorted(f"{name}: told to end" for name in names)
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@with_sshd
def test_workers_end_when_their_launcher_is_killed(ssh, worker, tmp_path):
    with subprocess.Popen(
        [ROOT / "tools" / "ssh-workers", "-", "--", "--connect", "tcp://head:5"],
        env={**os.environ, "SSH": ssh, "DEXCTL": worker},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as launcher:
        launcher.stdin.write("127.0.0.1\n")
        launcher.stdin.close()
        (pid,) = wait_for_lines(tmp_path / "pids", 1)
        launcher.kill()
        # Its output ends when the last of what it started has ended.
        assert launcher.stdout.read().endswith("127.0.0.1/0: told to end\n")
    assert not Path(f"/proc/{pid}").exists()


@with_sshd
def test_the_highest_exit_code_is_the_launcher_s(ssh, worker):
    told = run(ROOT / "tools/ssh-workers", "-", "--", "--fail", stdin="127.0.0.1\n", SSH=ssh, DEXCTL=worker)
    assert told.returncode == 77
    assert told.stdout == "127.0.0.1/0: rollout-worker --fail\n127.0.0.1/0: to stderr\n"


# Stands in for an ssh that finds no place at sshd for the first so many times.
FULL = """#!/bin/sh
echo >>{tries}
[ "$(wc -l <{tries})" -gt {times} ] || {{ echo "kex_exchange_identification: read" >&2; exit 255; }}
for last; do :; done
exec sh -c "$last"
"""


@pytest.mark.parametrize(
    ("times", "code", "ends"), [(1, 77, "to stderr"), (9, 130, "no connection, trying again in 1 s")]
)
def test_a_connection_that_fails_is_tried_again_until_all_are_to_stop(worker, tmp_path, times, code, ends):
    tries, near = tmp_path / "tries", tmp_path / "near"
    near.write_text(FULL.format(tries=tries, times=times))
    near.chmod(0o755)
    (tmp_path / "hosts").write_text("there\n")
    with subprocess.Popen(
        [ROOT / "tools/ssh-workers", tmp_path / "hosts", "--", "--fail"],
        env={**os.environ, "SSH": str(near), "DEXCTL": worker},
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    ) as launcher:
        lines = [launcher.stdout.readline() for _ in range(2)]
        assert lines == [
            "there/0: kex_exchange_identification: read\n",
            "there/0: no connection, trying again in 1 s\n",
        ]
        if times > 1:
            os.killpg(launcher.pid, signal.SIGINT)
        lines += launcher.stdout.read().splitlines(keepends=True)
        assert launcher.wait(PATIENCE_S) == code
    assert lines[-1] == f"there/0: {ends}\n"


def test_srun_s_own_n_is_no_dry_run():
    told = run(ROOT / "tools/slurm-workers", "-n", "4", "--", "--connect", "tcp://head:5", SRUN="true")
    assert (told.returncode, told.stdout) == (64, "")
    assert "write --ntasks=4" in told.stderr
    told = run(ROOT / "tools/slurm-workers", "-n", "-n4", "--", "--connect", "tcp://head:5")
    assert told.stdout.startswith("srun --kill-on-bad-exit=0 --quit-on-interrupt '-n4' sh -c ")


def wait_for_lines(path, count, patience_s=PATIENCE_S):
    deadline_s = time.monotonic() + patience_s
    while time.monotonic() < deadline_s:
        if path.exists() and len(lines := path.read_text().split()) == count:
            return lines
    raise AssertionError(f"no {count} lines in {path}")


@pytest.mark.parametrize("launcher", ["ssh-workers", "slurm-workers"])
def test_what_would_be_run_can_be_printed_and_run_by_hand(launcher, tmp_path):
    program = tmp_path / "show"
    program.write_text('#!/bin/sh\nfor word; do echo "<$word>"; done\n')
    program.chmod(0o755)
    near = tmp_path / "near"
    near.write_text('#!/bin/sh\nfor last; do :; done\nSLURM_LOCALID=0 exec sh -c "$last" </dev/zero\n')
    near.chmod(0o755)
    variables = {"DEXCTL": str(program), "SSH": str(near), "SRUN": str(near)}
    place, stdin = ("-", "h\n") if launcher == "ssh-workers" else ("--nodes=1", "")
    words = ["--connect", "tcp://head:5", "--name", "it's a 'name' of $HOME; $(date)\\"]
    told = run(ROOT / "tools" / launcher, "-n", place, "--", *words, stdin=stdin, **variables)
    assert (told.returncode, told.stderr) == (0, "")
    by_hand = run("sh", "-c", told.stdout)
    assert by_hand.returncode == 0, by_hand.stderr
    shown = [line.partition(": ")[2] or line for line in by_hand.stdout.splitlines()]
    assert shown == [f"<{word}>" for word in ("rollout-worker", *words)]


@pytest.mark.parametrize(
    ("words", "stdin", "code", "says"),
    [
        (["ssh-workers"], "", 64, "no file of hosts"),
        (["ssh-workers", "-"], "", 64, "after --"),
        (["ssh-workers", "-", "--"], "h\n", 64, "--connect"),
        (["ssh-workers", "/nowhere", "--", "x"], "", 66, "/nowhere: no such file"),
        (["ssh-workers", "-", "--", "x"], "# none\n", 65, "no hosts"),
        (["ssh-workers", "-n", "-", "--", "x"], "two/h\n", 65, "SLOTS"),
        (["ssh-workers", "-n", "-", "--", "x"], "10000/h\n", 65, "from 1 to 9999"),
        (["ssh-workers", "-n", "-", "--", "x"], "0/h\n", 65, "from 1 to 9999"),
        (["ssh-workers", "-n", "-", "--", "x"], "`date`\n", 65, "no host"),
        (["ssh-workers", "-n", "-", "--", "x"], "-oProxyCommand=x\n", 65, "no host"),
        (["slurm-workers", "--nodes=2"], "", 64, "after --"),
        (["slurm-workers", "--"], "", 64, "--connect"),
        (["slurm-workers", "--", "x"], "", 69, "no nowhere-srun here"),
    ],
)
def test_wrong_command_lines_are_told(words, stdin, code, says):
    told = run(ROOT / "tools" / words[0], *words[1:], stdin=stdin, SRUN="nowhere-srun")
    assert told.returncode == code
    assert says in told.stderr
    assert told.stdout == ""


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="Debian's shellcheck is not here")
def test_shellcheck_finds_nothing_in_the_launchers():
    told = run("shellcheck", ROOT / "tools/ssh-workers", ROOT / "tools/slurm-workers")
    assert (told.returncode, told.stdout) == (0, "")


@with_sshd
@pytest.mark.slow
def test_real_workers_over_ssh_work_until_the_training_is_over(ssh, tmp_path):
    dexctl = f"{sysconfig.get_path('scripts')}/dexctl"
    small = ["task.start_bank=8", "task.start_random_steps=2", "rollout.environments=8", "ppo.batch_steps=1024"]
    settings = [word for one in (*small, "ppo.minibatches=4") for word in ("--set", one)]
    command = [dexctl, "optimize", "-p", "block-yaw", *settings, "--run", "run", "--workers", "0", "--steps", "2048"]
    with subprocess.Popen(
        [*command, "--endpoint-file", "endpoint"], cwd=tmp_path, stdout=subprocess.DEVNULL
    ) as optimizer:
        try:
            # Everything here begins and learns on the same cores; a busy machine takes minutes.
            (endpoint,) = wait_for_lines(tmp_path / "endpoint", 1, patience_s=5 * PATIENCE_S)
            options = ["--connect", endpoint, "--threads", "1", "--timeout", "60"]
            words = [ROOT / "tools/ssh-workers", "-", "--", *options]
            told = run(*words, stdin="2/127.0.0.1\n", patience_s=5 * PATIENCE_S, SSH=ssh, DEXCTL=dexctl)
            assert told.returncode == 0, told.stdout
            assert optimizer.wait(PATIENCE_S) == 0
        finally:
            optimizer.kill()
    assert {line.partition(":")[0] for line in told.stdout.splitlines()} == {"127.0.0.1/0", "127.0.0.1/1"}
    assert told.stdout.count('"event":"end"') == 2

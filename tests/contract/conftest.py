"""The installed command, run as a person or a script runs it: in a shell, or on a terminal of its own."""

import os
import pty
import subprocess
import sysconfig
from pathlib import Path

import pytest

SCRIPTS = sysconfig.get_path("scripts")
TIMEOUT_S = 120
COLOR_VARIABLES = ("NO_COLOR", "FORCE_COLOR", "TERM")


@pytest.fixture
def environment():
    """This process's environment with the command on PATH, and nothing that steers it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in COLOR_VARIABLES and not name.startswith("DEXCTL_")
    }
    return {**kept, "PATH": f"{SCRIPTS}:{kept['PATH']}", "TERM": "xterm"}


@pytest.fixture
def shell(environment, tmp_path):
    """Runs one line of sh in an empty folder; variables are added to the environment."""

    def run(line, **variables):
        return subprocess.run(
            ["sh", "-c", line],
            env={**environment, **variables},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    return run


@pytest.fixture
def terminal(environment, tmp_path):
    """Runs one line of sh whose stdin, stdout and stderr are one terminal; gives exit code and screen."""

    def run(line, **variables):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            ["sh", "-c", line],
            env={**environment, **variables},
            cwd=tmp_path,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        screen = b""
        with open(ours, "rb", buffering=0) as master:
            while True:
                try:
                    block = master.read(4096)
                except OSError:
                    # Linux says EIO when the last process has left the terminal.
                    break
                if not block:
                    break
                screen += block
        return process.wait(TIMEOUT_S), screen.decode()

    return run


@pytest.fixture
def plugin(environment, tmp_path):
    """Puts a program ``dexctl-NAME`` on PATH."""

    def make(name, script):
        path = Path(tmp_path / "plugins" / f"dexctl-{name}")
        path.parent.mkdir(exist_ok=True)
        path.write_text(script)
        path.chmod(0o755)
        return {"PATH": f"{path.parent}:{environment['PATH']}"}

    return make

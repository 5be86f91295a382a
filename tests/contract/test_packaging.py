import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SCRIPTS = [
    path
    for folder in (ROOT / "tools", ROOT / ".ci")
    for path in sorted(folder.iterdir())
    if path.is_file() and path.suffix != ".py" and path.read_bytes().startswith(b"#!")
]


def pinned():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def test_every_dependency_of_the_tests_is_pinned():
    required = PROJECT["project"]["dependencies"] + PROJECT["project"]["optional-dependencies"]["test"]
    names = {re.match(r"[\w-]+", requirement).group().lower() for requirement in required}
    assert names <= pinned().keys()


def test_versions_are_public_so_that_any_build_of_them_fits():
    assert pinned()["torch"] == "2.13.0"
    assert not [version for version in pinned().values() if "+" in version]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_executable_and_parse(script):
    assert script.stat().st_mode & 0o111
    shell = "bash" if b"bash" in script.read_bytes().splitlines()[0] else "sh"
    assert subprocess.run([shell, "-n", script], check=False).returncode == 0


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_please_shellcheck(script):
    checked = subprocess.run(["shellcheck", script], capture_output=True, text=True, check=False)
    assert checked.stdout == ""
    assert checked.returncode == 0

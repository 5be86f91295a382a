"""The manual: a page of each command that says what the command says, and pages that groff reads without a word."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dexctl.commands import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "man").glob("*.[157]"))


def test_pages_and_commands_agree():
    program = [sys.executable, ROOT / "tools" / "manual.py", "--check"]
    told = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (told.stdout, told.stderr, told.returncode) == ("", "", 0), "run tools/manual.py"


def test_every_command_has_a_page_and_every_page_a_command():
    names = {"dexctl.1", *(f"dexctl-{name}.1" for name in COMMANDS)}
    assert {page.name for page in PAGES if page.suffix == ".1"} == names


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_groff_reads_a_page_without_a_word(page):
    read = subprocess.run(["groff", "-man", "-ww", "-Tutf8", page], capture_output=True, text=True, check=False)
    assert (read.returncode, read.stderr) == (0, "")
    for section in ("NAME", "SYNOPSIS", "DESCRIPTION"):
        assert f".SH {section}\n" in page.read_text() or (section == "SYNOPSIS" and page.suffix != ".1")


def test_a_page_shows_every_option_of_its_command(shell):
    told = shell("dexctl optimize --help").stdout
    page = (ROOT / "man" / "dexctl-optimize.1").read_text().replace("\\-", "-")
    options = set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", told, re.MULTILINE))
    assert len(options) > 10
    assert {option for option in options if option not in page} == set()

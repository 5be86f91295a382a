"""man/dexctl-reliability.7: every promise names tests that there are, or says that it was not run."""

import ast
import datetime
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "man" / "dexctl-reliability.7").read_text()
# Cases by their heading, such as ``5\-6. SIGSTOP of a worker or an optimizer``.
CASES = dict(re.findall(r"^\.SS (.+)\n((?:(?!\.S[SH] ).*\n)*)", PAGE, re.MULTILINE))
HELD = {
    (path, name)
    for path, names in re.findall(r"^\.I (tests/\S+\.py)\n\.RS 2\n\.nf\n((?:test_\w+\n)+)\.fi\n", PAGE, re.MULTILINE)
    for name in names.split()
}


def test_the_page_has_all_thirty_cases_once():
    numbers = []
    for heading in CASES:
        first, last = re.fullmatch(r"(\d+)(?:\\-(\d+))?\. .+", heading).groups()
        numbers += range(int(first), int(last or first) + 1)
    assert numbers == list(range(1, 31))


@pytest.mark.parametrize("heading", CASES)
def test_a_case_names_a_test_or_says_that_it_was_not_run(heading):
    assert ("\n.I tests/" in CASES[heading]) != ("Not run." in CASES[heading])


@pytest.mark.parametrize("path", sorted({path for path, _ in HELD}))
def test_every_test_that_is_named_is_there(path):
    there = {node.name for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.FunctionDef)}
    assert {name for file, name in HELD if file == path} - there == set()


def test_runs_have_their_dates():
    (when,) = re.findall(r"^\.SH WHEN\n((?:(?!\.SH ).*\n)*)", PAGE, re.MULTILINE)
    runs = re.findall(r"^\.TP\n(.+)\n", when, re.MULTILINE)
    dates = [run.replace("\\-", "-") for run in runs if run[0].isdigit()]
    assert dates == sorted(dates, reverse=True)
    assert all(datetime.date.fromisoformat(date) for date in dates)
    assert len(dates) >= 2
    assert runs[len(dates) :] == ["Not on record", "Never"]


def test_nothing_that_looks_like_a_test_is_passed_over():
    assert len(HELD) == len(re.findall(r"^test_\w+$", PAGE, re.MULTILINE)) > 50

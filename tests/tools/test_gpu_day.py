"""tools/gpu-day with stand-ins: which piece a call does, what it runs, and what is left when one fails."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
PIECES = ["environment", "look", "tests", "bench", *(f"train-{number}" for number in range(1, 7)), "score"]
STAND_IN = """#!/bin/sh
cat >/dev/null
echo "$(basename "$0") $*" >>{calls}
case "$(basename "$0") $*" in *"$FAILS"*) exit 75 ;; esac
"""


@pytest.fixture
def day(tmp_path):
    """Runs the recipe in a folder of its own, where dexctl and python write down what they are asked."""
    tools, programs, calls = tmp_path / "tools", tmp_path / "programs", tmp_path / "calls"
    tools.mkdir()
    programs.mkdir()
    shutil.copy(TOOLS / "gpu-day", tools)
    for path, text in (
        (tools / "environment", f"#!/bin/sh\necho {programs}\n"),
        (programs / "dexctl", STAND_IN.format(calls=calls)),
        (programs / "python", STAND_IN.format(calls=calls)),
    ):
        path.write_text(text)
        path.chmod(0o755)

    def run(*words, fails="nothing at all"):
        calls.write_text("")
        told = subprocess.run(
            [tools / "gpu-day", "--folder", "day", *words],
            cwd=tmp_path,
            env={**os.environ, "FAILS": fails},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        done = tmp_path / "day" / "done"
        return told, calls.read_text().splitlines(), done.read_text().split() if done.exists() else []

    return run


def test_each_call_does_the_next_piece_and_all_of_them_end(day):
    for number, piece in enumerate(PIECES):
        told, _, done = day()
        assert told.returncode == 0, told.stderr
        assert f"== {piece}\n" in told.stdout
        assert done == PIECES[: number + 1]
    told, calls, done = day()
    assert (told.returncode, calls, done) == (0, [], PIECES)
    assert "everything is done" in told.stdout


def test_the_pieces_train_one_run_on_warp_and_score_it(day):
    told, calls, _ = day("--pieces", "11", "--", "--set", "run.seed=3")
    assert told.returncode == 0, told.stderr
    trained = [call for call in calls if call.startswith("dexctl optimize")]
    assert len(set(trained)) == 1
    assert len(trained) == 6
    for word in ("--physics warp", "/day/block", "--minutes 9", "--set run.seed=3"):
        assert word in trained[0]
    assert any(call.startswith("dexctl evaluate") and "--physics warp" in call for call in calls)
    assert any("pytest" in call and "tests/physics" in call for call in calls)
    assert any("tools/bench/all.py --only physics" in call for call in calls)


def test_a_piece_that_fails_is_done_again(day):
    assert day("--pieces", "2")[0].returncode == 0
    told, _, done = day(fails="pytest")
    assert told.returncode == 75
    assert done == PIECES[:2]
    told, calls, done = day()
    assert told.returncode == 0
    assert done == PIECES[:3]
    assert "pytest" in calls[0]


def test_without_a_gpu_it_ends_unless_told_otherwise(day):
    day()
    assert day(fails="python -")[0].returncode != 0
    assert day("--anywhere", fails="python -")[0].returncode == 0


@pytest.mark.parametrize("words", [["--gpu"], ["--pieces"], ["--pieces", "all"]])
def test_what_it_does_not_know_is_refused(day, words):
    told, calls, _ = day(*words)
    assert told.returncode == 64
    assert "gpu-day: " in told.stderr
    assert calls == []

"""tools/gpu-day with stand-ins: which piece a call does, what it runs, and what is left when one fails."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
SPEED = ["speed-block-small-lstm", "speed-block-paper"]
LONG = [f"{name}-{number}" for name in ("train", "memory") for number in range(1, 7)]
PIECES = ["environment", "look", "tests", "bench", *SPEED, *LONG, "score"]
STAND_IN = r"""#!/bin/sh
[ "$1" != - ] || cat >/dev/null
echo "$(basename "$0") $*" >>{calls}
run=$(echo "$*" | sed -n 's/.*--run \([^ ]*\).*/\1/p')
[ -z "$run" ] || mkdir -p "$run"
case "$(basename "$0") $*" in *"$FAILS"*) exit "$STATUS" ;; esac
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

    def run(*words, fails="nothing at all", status=75):
        calls.write_text("")
        told = subprocess.run(
            [tools / "gpu-day", "--folder", "day", *words],
            cwd=tmp_path,
            env={**os.environ, "FAILS": fails, "STATUS": str(status)},
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


def test_the_pieces_measure_train_and_score_on_warp(day):
    told, calls, _ = day("--pieces", str(len(PIECES)), "--", "--set", "run.seed=3")
    assert told.returncode == 0, told.stderr
    trained = [call for call in calls if call.startswith("dexctl optimize")]
    assert all("--physics warp --fused" in call and call.endswith("--set run.seed=3") for call in trained)
    speed, train, memory = trained[:2], trained[2:8], trained[8:]
    assert ["ppo.batch_steps=819200" in call for call in speed] == [False, True]
    assert len(set(train)) == 1
    assert "--profile block --run " in train[0]
    # The stand-in says at once that the first stage is over.
    assert len(memory) == 6
    assert "--profile schedule/memory-none" in memory[0]
    assert all("--profile schedule/memory-all" in call and "/schedule/memory-none " in call for call in memory[1:])
    scored = [call for call in calls if call.startswith("dexctl evaluate")]
    assert [call.split()[3].rpartition("/")[2] for call in scored] == ["block", "memory-all", "memory-none"]
    assert all("--trials 100 --physics warp" in call for call in scored)
    assert any("pytest" in call and "tests/physics" in call for call in calls)
    assert any("tools/bench/all.py --only physics" in call for call in calls)


def test_training_whose_time_is_over_is_a_piece_and_a_stage_that_is_not_whole_goes_on(day):
    before = len(PIECES) - 7
    assert day("--pieces", str(before))[0].returncode == 0
    # What timeout(1) tells when it had to end something.
    told, calls, done = day("--pieces", "2", fails="optimize", status=124)
    assert told.returncode == 0, told.stderr
    assert done == PIECES[: before + 2]
    assert all("--profile schedule/memory-none" in call for call in calls)


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

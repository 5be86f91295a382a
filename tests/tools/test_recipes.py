"""The recipes of tools/: what each says of itself, what it runs, and at toy scale what comes of it."""

import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "tools"
RECIPES = sorted(
    path.name
    for path in TOOLS.iterdir()
    if path.is_file() and path.read_bytes().startswith(b"#!/bin/sh\n") and not path.suffix
)
PATIENCE_S = 600.0
# Stands in for dexctl where only what is run is looked at: writes it down, and fails where it is told to.
STAND_IN = """#!/bin/sh
printf '%s\\n' "$*" >>{calls}
case $* in
*-fails*) exit 69 ;;
*--endpoint-file*) printf tcp://127.0.0.1:5 >{endpoint}; exec sleep 600 ;;
esac
"""
SMALL = ";".join(
    (
        *("task.start_bank=8", "task.start_random_steps=2", "rollout.environments=8", "ppo.batch_steps=1024"),
        *("ppo.minibatches=4", "evaluate.goal_timeout_s=0.8"),
    )
)
SMALL_VISION = ";".join(
    (
        *("task.start_random_steps=0", "render.detail_px=6.0", "vision.image_px=16"),
        *("vision.network.filters=[4]", "vision.network.kernels_px=[3]", "vision.network.strides=[1]"),
        *("vision.network.group_filters=[12]", "vision.network.group_blocks=[1]", "vision.network.group_strides=[1]"),
        *("vision.network.dense=16", "vision.training.batch=8", "vision.training.measure_batches=2"),
    )
)


@pytest.fixture
def recipe(tmp_path):
    """Runs a recipe of a copy of tools/ whose environment is this one, in an empty folder."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for path in TOOLS.iterdir():
        if path.is_file():
            shutil.copy(path, tools)
    (tools / "environment").write_text(f'#!/bin/sh\necho "${{DEXCTL_BIN:-{sysconfig.get_path("scripts")}}}"\n')

    def run(name, *words, **variables):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("DEXCTL_")}
        return subprocess.run(
            [tools / name, *words],
            env={**environment, **variables},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    return run


@pytest.fixture
def stand_in(tmp_path):
    """A folder with a program ``dexctl`` that does nothing, and a function that tells how it was called."""
    folder = tmp_path / "stand-in"
    folder.mkdir()
    calls = tmp_path / "calls"
    program = folder / "dexctl"
    program.write_text(STAND_IN.format(calls=calls, endpoint=tmp_path / "day/endpoint"))
    program.chmod(0o755)
    return str(folder), lambda: calls.read_text().splitlines() if calls.exists() else []


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_what_it_is_for(name):
    told = subprocess.run([TOOLS / name, "--help"], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    purpose = (TOOLS / name).read_text().splitlines()[1].removeprefix("# ")
    assert told.stdout.startswith(f"{purpose}\n")
    assert f" tools/{name}" in told.stdout
    assert "shellcheck" not in told.stdout


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("pipeline --bogus 1", "an option is --policy"),
        ("pipeline --states", "--states: give a value"),
        ("pipeline --states many", "whole numbers"),
        ("sweep", "a group without a profile"),
        ("sweep --bogus", "those of dexctl optimize come after --"),
        ("sweep -j 0 block", "not a number of jobs"),
        ("sweep block :::", "a group without a setting"),
        ("sweep block ::: ppo.clip", "a setting is KEY=VALUE"),
        ("robot-day --bogus", "an option is --policy"),
        ("calibration-seeds --bogus", "an option is --seeds"),
        ("calibration-seeds --noise-deg much", "are numbers"),
        ("calibration-seeds --seeds", "--seeds: give a value"),
        ("robot-day --trials", "--trials: give a value"),
        ("table3 --scale many", "whole numbers"),
        ("walk here there", "one folder, or none"),
        ("walk --there", "the only option is --here"),
        ("wheel-check some", "the only word is all"),
        ("fuzz long", "give a number of seconds"),
    ],
)
def test_wrong_words_are_told_and_nothing_is_run(recipe, stand_in, line, says):
    folder, calls = stand_in
    told = recipe(*line.split(), DEXCTL_BIN=folder)
    assert (told.returncode, told.stdout) == (64, "")
    assert says in told.stderr
    assert calls() == []


def test_ci_walks_as_a_newcomer_does():
    told = subprocess.run([ROOT / ".ci/walk", "here", "there"], capture_output=True, text=True, check=False)
    assert told.returncode == 64
    assert told.stdout.startswith("commit ")
    assert told.stderr == "walk: give one folder, or none\n"


SWEPT = [
    f"optimize --profile {profile} --set ppo.clip={clip} --workers 1 --run {{runs}}/{name},ppo.clip={clip} --quiet"
    " --minutes 2"
    for profile, name in (("block-yaw", "block-yaw"), ("ablation/none", "ablation-none"))
    for clip in ("0.1", "0.2")
]
SWEEP = ("block-yaw", "ablation/none", ":::", "ppo.clip=0.1", "ppo.clip=0.2", "--", "--minutes", "2")


def test_a_sweep_prints_what_it_would_run(recipe, stand_in, tmp_path):
    folder, calls = stand_in
    told = recipe("sweep", "-n", *SWEEP, DEXCTL_BIN=folder, WORKERS="1")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.replace("'", "").splitlines() == [f"dexctl {one}".format(runs="runs/sweep") for one in SWEPT]
    assert calls() == []
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "parallel",
    [
        pytest.param(True, marks=pytest.mark.skipif(shutil.which("parallel") is None, reason="no GNU parallel here")),
        False,
    ],
)
def test_a_sweep_runs_every_combination_and_tells_what_failed(recipe, stand_in, tmp_path, parallel):
    folder, calls = stand_in
    variables = {"DEXCTL_BIN": folder, "WORKERS": "1"}
    if not parallel:
        bare = tmp_path / "bare"
        bare.mkdir()
        for name in ("sh", "dirname", "getconf", "tr", "sed", "cut", "mkdir"):
            (bare / name).symlink_to(shutil.which(name))
        variables["PATH"] = str(bare)
    told = recipe("sweep", "--runs", "swept", *SWEEP, **variables)
    assert (told.returncode, told.stdout) == (0, "")
    assert ("GNU parallel is not here" in told.stderr) != parallel
    assert sorted(calls()) == sorted(one.format(runs="swept") for one in SWEPT)
    failed = recipe("sweep", "--runs", "swept", "block-fails", "block", **variables)
    assert failed.returncode == 1
    (fault,) = re.findall(r"ended with 69: dexctl optimize --profile '(.*?)'", failed.stderr)
    assert fault == "block-fails"
    assert len(calls()) == len(SWEPT) + 2


def test_a_night_s_training_goes_from_stage_to_stage(recipe, stand_in):
    folder, calls = stand_in
    stages = {"STAGES": "a b", "WORKERS": "3", "RUNS": "kept"}
    assert recipe("train-block", "--set", "run.seed=1", DEXCTL_BIN=folder, **stages).returncode == 0
    assert calls() == [
        "optimize --profile a --run kept/a --workers 3 --sync --quiet --set run.seed=1",
        "optimize --profile b --run kept/b --workers 3 --sync --quiet --from kept/a --set run.seed=1",
    ]
    assert recipe("train-block", DEXCTL_BIN=folder, STAGES="a-fails b").returncode == 69
    assert len(calls()) == 3, "no stage after one that failed"


def test_a_pipeline_ends_as_its_last_command_does(recipe, stand_in):
    folder, calls = stand_in
    assert recipe("pipeline", "--folder", "seen", DEXCTL_BIN=folder).returncode == 0
    measured = "evaluate --vision seen/eyes --images seen/unseen.zarr --worst seen/worst.png"
    assert calls()[-1] == measured
    assert recipe("pipeline", "--folder", "x-fails", DEXCTL_BIN=folder).returncode == 69
    assert calls()[-1] != measured


@pytest.mark.parametrize("arm", [True, False])
def test_nothing_moves_on_a_robot_day_without_arm(recipe, stand_in, tmp_path, arm):
    folder, calls = stand_in
    told = recipe("robot-day", "--folder", "day", *(["--arm"] if arm else []), DEXCTL_BIN=folder)
    assert told.returncode == 0, told.stderr
    ran = calls()
    assert ran[0].startswith("simulate --serve tcp://127.0.0.1:0 --profile robot/twin")
    moving = [one for one in ran if "--arm" in one.split()]
    kinds = [one.split()[0] for one in moving]
    assert kinds == (["deploy", "calibrate", "deploy"] if arm else [])
    assert "-n" in ran[1].split(), "the first call only tells"
    assert "--robot tcp://127.0.0.1:5" in ran[1]
    assert ran[-2:] == [
        "evaluate --recording day/trials.zarr --paper block-robot --report day/report",
        "simulate --replay day/trials.zarr --video day/trials.mp4 --quiet",
    ]
    if arm:
        assert "evaluate --policy block-yaw --profile day/task.toml --trials 10 --report day/simulated" in ran
        assert "--profile day/robot.toml" in moving[-1], "the hand that was fitted"
        for name, base in (("robot", "robot/twin"), ("task", "block-yaw")):
            assert f'inherits = ["{base}", "hand.toml"]' in (tmp_path / f"day/{name}.toml").read_text()


def test_a_robot_day_without_a_robot_is_told(recipe, stand_in):
    folder, calls = stand_in
    told = recipe("robot-day", "--folder", "day", "--profile", "robot-fails", DEXCTL_BIN=folder)
    assert told.returncode == 69
    assert told.stderr == "robot-day: the robot did not start, see day/robot.log\n"
    assert len(calls()) == 1


@pytest.mark.slow
def test_the_pipeline_learns_to_see_at_toy_scale(recipe, tmp_path):
    words = ("--policy", "zero", "--states", "32", "--held-out", "8", "--folder", "seen")
    told = recipe("pipeline", *words, DEXCTL_SET=SMALL_VISION)
    assert told.returncode == 0, told.stderr
    assert "unseen.zarr" in told.stdout
    assert (tmp_path / "seen/worst.png").read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.glob("seen/eyes/checkpoints/*.safetensors"))


@pytest.mark.slow
def test_a_sweep_trains_and_compares_at_toy_scale(recipe, tmp_path):
    told = recipe("sweep", "block-yaw", ":::", "run.seed=1", "run.seed=2", "--", "--steps", "2048", DEXCTL_SET=SMALL)
    assert told.returncode == 0, told.stderr
    for seed in (1, 2):
        assert re.search(rf"block-yaw,run.seed={seed}\b.*0\.002", told.stdout), told.stdout
    assert (tmp_path / "runs/sweep/curves.json").exists()


@pytest.mark.slow
def test_the_quickstart_trains_scores_and_films_at_toy_scale(recipe, tmp_path):
    told = recipe("quickstart", MINUTES="1", TRIALS="2", DEXCTL_SET=SMALL, DEXCTL_SECONDS="0.2")
    assert told.returncode == 0, told.stderr
    assert (tmp_path / "runs/quickstart/video.mp4").stat().st_size > 0
    assert "random" in told.stdout


@pytest.mark.slow
def test_a_night_s_training_trains_at_toy_scale(recipe, tmp_path):
    for _ in range(2):
        told = recipe("train-block", "--steps", "1024", STAGES="block-yaw block", DEXCTL_SET=SMALL)
        assert told.returncode == 0, told.stderr
    assert list(tmp_path.glob("runs/block/checkpoints/*.safetensors"))


@pytest.mark.slow
def test_a_robot_day_calibrates_plays_scores_and_films_at_toy_scale(recipe, tmp_path):
    variables = {
        "DEXCTL_RATE": "max",
        "DEXCTL_FINGERS": "wrist",
        "DEXCTL_SET": "calibrate.sweeps=1;evaluate.goal_timeout_s=0.8",
    }
    told = recipe("robot-day", "--policy", "zero", "--trials", "1", "--folder", "day", "--arm", **variables)
    assert told.returncode == 0, told.stderr
    assert "[hand" in (tmp_path / "day/hand.toml").read_text()
    assert (tmp_path / "day/trials.mp4").stat().st_size > 0
    for page in ("simulated", "report"):
        assert "goals in a row" in (tmp_path / f"day/{page}/index.html").read_text()

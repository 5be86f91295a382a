"""A session on a served robot: trials, a recording, and what is told before anything moves."""

import dataclasses
import json
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from dexctl.calibrate.hand_file import hand_toml
from dexctl.console.deploy_plan import DeployOrder, plan_deploy
from dexctl.console.deploy_session import run_deploy
from dexctl.console.evaluation import recordings
from dexctl.console.evaluation.question import Question
from dexctl.console.output import Output
from dexctl.errors import DexctlError, RefusedError, UsageError
from dexctl.evaluate.contacts import find_touches
from dexctl.evaluate.recorded import recorded_tracks, recorded_trials
from dexctl.policy.naming import locate
from dexctl.profile.load import load
from dexctl.robot.opening import open_robot
from dexctl.robot.server import RobotServer
from dexctl.scene.build import build_scene
from dexctl.store.recordings import Recording
from dexctl.store.rows import profile_of

from ..contract.conftest import everything
from .running import Command, serve_robot


@pytest.fixture(scope="module")
def robot(tmp_path_factory):
    """One robot with a virtual clock for every test here, as one robot serves many controllers."""
    found = serve_robot(tmp_path_factory.mktemp("robot"))
    yield found
    found.kill()


@pytest.fixture
def deploy(robot, tmp_path):
    running = []
    robot.rest()

    def run(*arguments):
        running.append(Command(("deploy", "--robot", robot.endpoint, *arguments), tmp_path))
        return running[-1]

    yield run
    for command in running:
        command.kill()


def test_trials_are_played_recorded_and_scored(deploy, tmp_path, capsys):
    short = ("--set", "evaluate.goal_timeout_s=0.8")
    command = deploy("--policy", "zero", "--arm", "--output", "r.zarr", "--trials", "2", *short)
    trials = [command.until("trial") for _ in range(2)]
    code, said = command.end()
    assert (code, [one["end"] for one in trials]) == (0, ["timeout", "timeout"]), said
    recording = Recording(tmp_path / "r.zarr")
    assert len(recording) == 20
    assert recording.metadata.policy == "zero"
    rows = recording.read(0, 20)
    assert rows["end"].tolist() == [0] * 9 + [2] + [0] * 9 + [2]
    assert [(one.goals, one.end) for one in recorded_trials(recording)] == [(0, "timeout"), (0, "timeout")]
    recordings.run(Question(recording=(tmp_path / "r.zarr",)), Output(json=True, quiet=False), dry_run=False)
    (scored,) = json.loads(capsys.readouterr().out)["recordings"]
    assert (scored["trials"], scored["timing"]["steps"], scored["time_per_goal_s"]) == ([0, 0], 20, None)
    assert 0 < scored["timing"]["step_median_ms"] <= scored["timing"]["step_p99_ms"]
    scene = build_scene(profile_of(recording.metadata.profile, "r.zarr"))
    tracks = recorded_tracks(recording, scene)
    assert [len(track.qpos_TQ) for track in tracks] == [10, 10]
    moved = np.concatenate([track.qpos_TQ for track in tracks])
    assert np.array_equal(moved[:, scene.joint_qpos], rows["joint_angles_rad"])
    assert np.array_equal(moved[:, scene.object_qpos :][:, :3], rows["object_position_m"])
    # The block came to rest in the hand before the trial.
    assert find_touches(scene, tracks[0].qpos_TQ).palm_T.any()


@pytest.mark.slow
def test_a_goal_file_that_is_no_list_of_goals_ends_the_command_before_any_robot_is_asked(deploy, robot, tmp_path):
    (tmp_path / "bad.json").write_text("[[1, 2")
    code, said = deploy("--policy", "zero", "--arm", "--goals", "bad.json").end()
    assert code == 65, said
    assert "no list of goals" in said
    assert "Traceback" not in said
    assert robot.rest() == []


ORDER = DeployOrder(
    robot="tcp://127.0.0.1:9",
    policy="zero",
    profile="robot/same",
    vision=None,
    goals="random",
    trials=1,
    arm=True,
    average=None,
    seed=0,
    greedy=False,
    recording=None,
    images=False,
    timeout_s=0.3,
    key=None,
    server_key=None,
    settings=(),
)


@pytest.mark.parametrize(
    ("change", "code", "word"),
    [
        ({"policy": "nowhere"}, 66, "no such run"),
        ({"goals": "none.json"}, 66, "none.json"),
        ({"goals": "bad.json"}, 65, "no list of goals"),
        ({"vision": "none.safetensors"}, 66, "none.safetensors"),
        ({"vision": str(locate("block-yaw"))}, 76, "estimator"),
        ({"profile": "block"}, 78, "no table [robot]"),
        ({"settings": ("evaluate.gaols=3",)}, 78, "Did you mean 'goals'"),
        ({"key": "x"}, 64, "--key and --server-key"),
    ],
)
def test_what_is_wrong_is_told_before_any_robot_is_asked(tmp_path, monkeypatch, change, code, word):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.json").write_text("[[1, 2")
    with pytest.raises(DexctlError) as told:
        plan_deploy(dataclasses.replace(ORDER, **change))
    assert told.value.code == code
    assert word in f"{told.value} {told.value.remedy}"


def test_the_average_of_the_actions_is_the_user_s_where_given():
    plan = plan_deploy(dataclasses.replace(ORDER, average=0.6))
    assert plan.policy.profile.action.average == 0.6
    assert plan_deploy(ORDER).policy.profile.action.average != 0.6


def test_an_address_of_no_kind_that_is_known_is_told(same):
    with (
        pytest.raises(UsageError, match="no robot is reached so"),
        open_robot("serial:9", same, 0.08, None, 1.0),
    ):
        pass


def test_a_robot_off_loopback_needs_keys():
    profile = load("robot/same", [], {}).profile
    with pytest.raises(RefusedError) as told:
        RobotServer(profile, profile.robot, 0, "tcp://0.0.0.0:0", True, lambda kind, fields: None)
    assert (told.value.code, "--insecure" in told.value.remedy) == (77, True)


@pytest.fixture
def in_this_process(robot, tmp_path, monkeypatch):
    """A session without a process of its own: with a virtual clock it asks for no rank among threads."""
    monkeypatch.chdir(tmp_path)
    robot.rest()
    switch_s = sys.getswitchinterval()

    def run(dry_run=False, **change):
        order = dataclasses.replace(ORDER, robot=robot.endpoint, timeout_s=20.0, **change)
        run_deploy(plan_deploy(order), Output(json=True, quiet=False), dry_run)

    yield run
    sys.setswitchinterval(switch_s)


def test_a_plan_moves_nothing_and_tells_how_each_observation_is_had(in_this_process, robot, tmp_path, capsys):
    before = everything(tmp_path)
    in_this_process(dry_run=True, policy="block-yaw")
    plan = json.loads(capsys.readouterr().out)
    assert plan["observations"]["object_velocity"].startswith("differences")
    assert plan["armed"] is True
    assert everything(tmp_path) == before
    assert robot.rest() == []


def test_without_arm_everything_runs_but_motion(in_this_process, robot, tmp_path, capsys):
    in_this_process(policy="random", arm=False, recording=tmp_path / "r.zarr")
    assert "not armed" in capsys.readouterr().err
    rows = Recording(tmp_path / "r.zarr").read(0, 1)
    assert (rows["change_asked_rad"] != 0).any()
    assert (rows["change_sent_rad"] == 0).all()
    told = [robot.until("controller_left")["event"], *(event["event"] for event in robot.rest())]
    assert "armed" not in told


@pytest.mark.slow
def test_a_recording_becomes_a_page(in_this_process, tmp_path, capsys):
    in_this_process(trials=2, recording=tmp_path / "r.zarr", settings=("evaluate.goal_timeout_s=0.8",))
    capsys.readouterr()
    question = Question(recording=(Path("r.zarr"),), report=Path("report"), paper=("block-robot",))
    recordings.run(question, Output(json=True, quiet=False), dry_run=False)
    told = json.loads(capsys.readouterr().out)
    page = (tmp_path / "report/index.html").read_text()
    for words in ("zero on simulated hand without a gap", "Control steps", "18.8", "The best, trial 0", "0.8 s"):
        assert words in page
    assert json.loads((tmp_path / "report/evaluation.json").read_text()) == told


def fitted(folder, task):
    """A hand as 'dexctl calibrate' writes it, a little off the robot's, and a whole profile of a task with it."""
    hand = load("block-paper", [], {}).profile.hand
    joints = {**hand.joints, "WRJ1": msgspec.structs.replace(hand.joints["WRJ1"], damping=0.7)}
    hand = msgspec.structs.replace(hand, joints=joints, calibrated_on="0" * 64)
    path = folder / "mine.toml"
    path.write_text(hand_toml(hand, "hand/shadow", task, "Fitted.", "A hand that was fitted"))
    return path


def test_a_calibrated_hand_deploys_as_the_robot_s_own(in_this_process, robot, tmp_path, capsys):
    path = fitted(tmp_path, "robot/same")
    order = dataclasses.replace(ORDER, profile=str(path), policy="block-yaw")
    assert plan_deploy(order).robot_profile.hand.joints["WRJ1"].damping == 0.7
    in_this_process(
        profile=str(path), policy="block-yaw", recording=tmp_path / "r.zarr", settings=("evaluate.goal_timeout_s=0.4",)
    )
    assert json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [one.end for one in recorded_trials(Recording(tmp_path / "r.zarr"))] == ["timeout"]

"""A session on a served robot: trials, a recording, and what is told before anything moves."""

import dataclasses
import json
import sys

import numpy as np
import pytest

from dexctl.console.deploy_plan import DeployOrder, plan_deploy
from dexctl.console.deploy_session import run_deploy
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


def test_trials_are_played_recorded_and_scored(deploy, tmp_path):
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

"""Another hand goes through the same commands: watched, trained for a few updates, and scored."""

import importlib.util
import json
import signal
from pathlib import Path

import pytest
from PIL import Image

PACKAGE = importlib.util.find_spec("robopianist")
PROFILE = """
inherits = ["block-yaw", "hand/menagerie-shadow"]
[hand]
model = "{model}"
[task]
start_random_steps = 2
start_bank = 4
start_refresh = 2
[ppo]
batch_steps = 64
minibatches = 1
epochs = 1.0
[rollout]
environments = 4
segment_steps = 16
"""


@pytest.mark.slow
@pytest.mark.skipif(PACKAGE is None, reason="robopianist is not installed: tools/environment test")
def test_another_hand_is_trained_scored_and_painted_by_its_profile_alone(shell, tmp_path):
    hands = Path(PACKAGE.origin).parent / "models" / "hands" / "third_party"
    (tmp_path / "other.toml").write_text(PROFILE.format(model=hands / "shadow_hand" / "right_hand.xml"))
    trained = shell("dexctl optimize -p other.toml --workers 1 --sync --steps 192 --run run")
    assert trained.returncode == 0, trained.stderr
    events = [json.loads(line) for line in trained.stdout.splitlines()]
    assert [event["steps"] for event in events if event["event"] == "iteration"] == [64, 128, 192]
    scored = shell("dexctl evaluate --policy run --trials 2 --set evaluate.goal_timeout_s=0.8 --json")
    assert scored.returncode == 0, scored.stderr
    (policy,) = json.loads(scored.stdout)["policies"]
    assert len(policy["trials"]) == sum(policy["ends"].values()) == 2
    assert policy["ends"]["error"] == 0
    painted = shell("dexctl simulate --policy run --seconds 0.2 --png other.png")
    assert painted.returncode == 0, painted.stderr
    with Image.open(tmp_path / "other.png") as picture:
        assert picture.size == (1200, 750)
    (tmp_path / "small.toml").write_text('inherits = ["vision-small", "other.toml"]\n')
    held = shell("dexctl evaluate --policy run --trials 1 --set evaluate.goal_timeout_s=0.8 --grasps --json")
    assert held.returncode == 0, held.stderr
    assert shell("dexctl simulate --policy run --states 4 -o states.zarr").returncode == 0
    drawn = shell("dexctl render states.zarr --count 4 -p small.toml --sheet sheet.png -o images.zarr")
    assert drawn.returncode == 0, drawn.stderr
    samples = shell("dexctl simulate -p other.toml --set randomize.physics.on=true --samples 20 --json")
    assert samples.returncode == 0, samples.stderr
    shown = shell("dexctl profile show other.toml --json")
    assert json.loads(shown.stdout)["profile"]["hand"]["names"]["palm"] == "rh_palm"


@pytest.mark.slow
@pytest.mark.skipif(PACKAGE is None, reason="robopianist is not installed: tools/environment test")
def test_another_hand_is_served_and_driven_as_a_robot_by_its_profile_alone(start, shell, tmp_path):
    hands = Path(PACKAGE.origin).parent / "models" / "hands" / "third_party"
    served = PROFILE.format(model=hands / "shadow_hand" / "right_hand.xml").replace("block-yaw", "robot/same")
    (tmp_path / "other.toml").write_text(served)
    robot = start("simulate --serve tcp://127.0.0.1:0 -p other.toml --rate max")
    robot.wait("listening")
    endpoint = robot.of("listening")[0]["endpoint"]
    line = f"dexctl deploy --robot {endpoint} --policy zero -p other.toml --set evaluate.goal_timeout_s=0.4"
    driven = shell(f"{line} --trials 1 --arm -o trials.zarr")
    assert driven.returncode == 0, driven.stderr
    robot.ask(signal.SIGTERM)
    assert robot.end() == 143
    scored = shell("dexctl evaluate --recording trials.zarr --grasps --json")
    assert scored.returncode == 0, scored.stderr
    replayed = shell("dexctl simulate --replay trials.zarr --video replayed.mp4")
    assert replayed.returncode == 0, replayed.stderr

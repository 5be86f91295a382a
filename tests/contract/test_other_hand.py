"""Another hand goes through the same commands: watched, trained for a few updates, and scored."""

import importlib.util
import json
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
    shown = shell("dexctl profile show other.toml --json")
    assert json.loads(shown.stdout)["profile"]["hand"]["names"]["palm"] == "rh_palm"

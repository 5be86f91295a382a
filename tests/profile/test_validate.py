import pytest

from dexctl.errors import ProfileError
from dexctl.profile.load import load


def refusal(*settings):
    with pytest.raises(ProfileError) as caught:
        load("block", settings, {})
    assert caught.value.code == 78
    return str(caught.value)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("ppo.entrpy=1", "ppo.entrpy: unknown key\nDid you mean 'entropy'?"),
        ("pppo.clip=1", "pppo: unknown key\nDid you mean 'ppo'?"),
        ("hand.joints.FFJ3.dampin=1", "hand.joints.FFJ3.dampin: unknown key\nDid you mean 'damping'?"),
        ("policy.actor.lstms=1", "policy.actor.lstms: unknown key\nDid you mean 'lstm'?"),
        (
            "cameras.top.zoom=1",
            "cameras.top.zoom: unknown key\nKnown here: position_m, quaternion_wxyz, vertical_fov_deg.",
        ),
        ("ppo.discount=1.5", "ppo.discount: expected a number >= 0 and <= 1, got 1.5"),
        ("ppo.clip=0", "ppo.clip: expected a number > 0, got 0"),
        ("ppo.clip=nan", "ppo.clip: expected a number > 0, got nan"),
        ("task.palm_center_m=[0, 0, inf]", "task.palm_center_m: expected a list of 3 numbers, got [0, 0, inf]"),
        ("task.palm_center_m=[0, 0]", "task.palm_center_m: expected a list of 3 numbers, got [0, 0]"),
        ("ppo.clip=large", 'ppo.clip: expected a number > 0, got "large"'),
        ('ppo.clip="0.2"', 'ppo.clip: expected a number > 0, got "0.2"'),
        ("ppo.clip=true", "ppo.clip: expected a number > 0, got true"),
        ("ppo.clip={a=1}", "ppo.clip: expected a number > 0, got a table"),
        ("ppo.clip=2020-01-01", "ppo.clip: expected a number > 0, got 2020-01-01"),
        ("action.bins=11.5", "action.bins: expected a whole number >= 2 and <= 256, got 11.5"),
        # A segment of experience carries both as bytes.
        ("action.bins=257", "action.bins: expected a whole number >= 2 and <= 256, got 257"),
        ("task.goals_per_episode=256", "task.goals_per_episode: expected a whole number >= 1 and <= 255, got 256"),
        ("action.average=1.0", "action.average: expected a number >= 0 and < 1, got 1.0"),
        ("run.keep_checkpoints=1", "run.keep_checkpoints: expected a whole number >= 2, got 1"),
        ("ppo.whole_episodes=1", "ppo.whole_episodes: expected true or false, got 1"),
        ("description=3", "description: expected text, got 3"),
        ("hand=3", "hand: expected a table, got 3"),
        ("hand.joints=[]", "hand.joints: expected a table, got []"),
        ("policy.actor.hidden=[]", "policy.actor.hidden: expected a list, each a whole number >= 1, not empty, got []"),
        ("task.goal=yow", "task.goal: expected one of face-up, so3, yaw, got \"yow\"\nDid you mean 'yaw'?"),
        ("task.goal=3", "task.goal: expected one of face-up, so3, yaw, got 3"),
    ],
)
def test_a_wrong_key_is_named_with_what_was_expected(setting, message):
    assert refusal(setting) == f"--set: {message}"


def test_the_most_that_a_segment_carries_is_taken():
    profile = load("block", ["action.bins=256", "task.goals_per_episode=255"], {}).profile
    assert (profile.action.bins, profile.task.goals_per_episode) == (256, 255)


def test_a_missing_key_is_named_with_the_profile_that_lacks_it(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('inherits = "block"\n[cameras.back]\nposition_m = [0, 0, 1]\nvertical_fov_deg = 30')
    with pytest.raises(ProfileError) as caught:
        load(str(path), [], {})
    assert str(caught.value) == (
        f"{path}: cameras.back.quaternion_wxyz: missing, expected a list of 4 numbers\n"
        "Give it, or inherit a profile that does."
    )


def test_the_file_at_fault_is_named_even_when_it_is_inherited(tmp_path):
    (tmp_path / "wrong.toml").write_text("[ppo]\nclip = -1")
    (tmp_path / "mine.toml").write_text('inherits = ["block", "wrong"]')
    with pytest.raises(ProfileError) as caught:
        load(str(tmp_path / "mine.toml"), [], {})
    assert str(caught.value) == f"{tmp_path / 'wrong.toml'}: ppo.clip: expected a number > 0, got -1"


def test_an_empty_table_of_names_is_a_table(tmp_path):
    (tmp_path / "mine.toml").write_text(
        'inherits = ["object/block", "task/reorient", "randomize/none", "train/paper", "machine"]\n'
        'description = "no markers"\ncameras = {}\n[hand]\nmodel = "gymnasium-robotics"\ngains = "gym"\n'
        "coupled_range_rad = [0, 3]\ncoupled_difference_range_rad = [0, 1]\ncoupled_damping = 0\ncontact_margin_m = 0\n"
        "joints = {}\nactuators = {}\nfingertip_markers = {}\nbase_markers_m = {}\n"
    )
    loaded = load(str(tmp_path / "mine.toml"), [], {})
    (tmp_path / "again.toml").write_text(loaded.to_toml())
    assert loaded.profile.cameras == {}
    assert load(str(tmp_path / "again.toml"), [], {}).profile == loaded.profile

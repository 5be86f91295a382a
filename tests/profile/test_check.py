import pytest

from dexctl.errors import ProfileError
from dexctl.profile.load import load


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["hand.joints.FFJ3.range_rad=[1, 0]"], "hand.joints.FFJ3.range_rad: expected lower < upper, got [1.0, 0.0]"),
        (
            ["hand.actuators.A_FFJ3.control_range_rad=[0, 0]"],
            "hand.actuators.A_FFJ3.control_range_rad: expected lower < upper, got [0.0, 0.0]",
        ),
        (["hand.coupled_range_rad=[3, 0]"], "hand.coupled_range_rad: expected lower < upper, got [3.0, 0.0]"),
        (
            ["hand.coupled_difference_range_rad=[3, 0]"],
            "hand.coupled_difference_range_rad: expected lower < upper, got [3.0, 0.0]",
        ),
        (
            ["hand.fingertip_markers.ff.occlusion_half_size_m=[0, 1, 1]"],
            "hand.fingertip_markers.ff.occlusion_half_size_m: expected three numbers > 0, got [0.0, 1.0, 1.0]",
        ),
        (
            ["object.face_colors.up=[1, 1, 1]"],
            "object.face_colors: expected the faces +x, -x, +y, -y, +z, -z, got +x, -x, +y, -y, +z, -z, up",
        ),
        (
            ["object.face_colors.+x=[1, 2, 1]"],
            "object.face_colors.+x: expected three numbers from 0 to 1, got [1.0, 2.0, 1.0]",
        ),
        (["object.letters=OPEN"], 'object.letters: expected 6 different letters, got "OPEN"'),
        (["object.letters=AAAAAA"], 'object.letters: expected 6 different letters, got "AAAAAA"'),
        (["object.size_m=0"], "object.size_m: expected it to be given for kind 'block', got nothing"),
        (["object.model=a.xml"], "object.model: expected it to be left out for kind 'block', got a.xml"),
        (["object.friction=[1, -1, 0]"], "object.friction: expected three numbers >= 0, got [1.0, -1.0, 0.0]"),
        (["ppo.device=gpu"], 'ppo.device: expected cpu, cuda, a GPU\'s number as in cuda:1, or nothing, got "gpu"'),
        (["cameras.top.quaternion_wxyz=[1, 1, 0, 0]"], "cameras.top.quaternion_wxyz: expected length 1, got 1.414"),
        (["task.success_rad=3.2"], "task.success_rad: expected less than pi, got 3.2"),
        (["task.goal_timeout_s=0.01"], "task.goal_timeout_s: expected at least one control step (0.08 s), got 0.01"),
        (
            ["evaluate.goal_timeout_s=0.01"],
            "evaluate.goal_timeout_s: expected at least one control step (0.08 s), got 0.01",
        ),
        (
            ["task.start_drop_height_m=0.01"],
            "task.start_drop_height_m: expected >= task.drop_height_m (0.04), got 0.01",
        ),
        (
            ["object.spawn_m=[1, 1, 0]"],
            "object.spawn_m: expected a height > task.start_drop_height_m (0.1), got 0.0",
        ),
        (["task.start_refresh=600"], "task.start_refresh: expected <= task.start_bank (512), got 600"),
        (["reward.drop=20"], "reward.drop: expected a number <= 0, got 20.0"),
        (
            ['policy.critic.observe=["time_left", "time_left"]'],
            "policy.critic.observe: expected each name once, got 'time_left' 2 times",
        ),
        (
            ["ppo.learning_rate=1"],
            "ppo.learning_rate: expected between learning_rate_min (1e-05) and learning_rate_max (0.002), got 1.0",
        ),
        (["ppo.kl_low=1"], "ppo.kl_low: expected <= ppo.kl_high (0.3), got 1.0"),
        (["ppo.clip=1"], "ppo.clip: expected a number < 1, got 1.0"),
        (["ppo.minibatches=3"], "ppo.minibatches: expected a divisor of ppo.batch_steps (8192), got 3"),
        (["ppo.chunk_steps=10"], "ppo.chunk_steps: expected a divisor of a minibatch (2048), got 10"),
        (["rollout.segment_steps=63"], "rollout.segment_steps: expected a multiple of ppo.chunk_steps (16), got 63"),
        (["ppo.epochs=0.1"], "ppo.epochs: expected at least one minibatch, got 0.1 of 4"),
        (["wire.timeout_s=1"], "wire.timeout_s: expected > wire.heartbeat_s (1.0), got 1.0"),
        (["wire.orphan_timeout_s=5"], "wire.orphan_timeout_s: expected >= wire.timeout_s (10.0), got 5.0"),
    ],
)
def test_a_condition_between_keys_is_named(settings, message):
    with pytest.raises(ProfileError) as caught:
        load("block", settings, {})
    assert str(caught.value).partition("\n")[0] == f"--set: {message}"


def test_an_unknown_observation_offers_the_nearest():
    with pytest.raises(ProfileError) as caught:
        load("block", ['policy.actor.observe=["object_positon"]'], {})
    assert str(caught.value) == (
        "--set: policy.actor.observe: there is no observation 'object_positon'\nDid you mean 'object_position'?"
    )


def test_another_kind_of_object_needs_what_is_its_own():
    for kind, message in (
        ("mjcf", "profiles/block.toml: object.model: expected it to be given for kind 'mjcf', got nothing"),
        (
            "prism",
            "profiles/object/block.toml: object.face_colors: expected the faces +x, -x, +y, -y, +z, -z, "
            "+x+y, -x+y, -x-y, +x-y, got +x, -x, +y, -y, +z, -z",
        ),
    ):
        with pytest.raises(ProfileError) as caught:
            load("block", [f"object.kind={kind}"], {})
        assert str(caught.value) == message


def test_only_a_cube_is_seen_as_a_cube_without_letters():
    setting = 'policy.actor.observe=["object_orientation_cube"]'
    assert load("sphere", [setting], {}).profile.policy.actor.observe == ["object_orientation_cube"]
    with pytest.raises(ProfileError, match=r"policy.actor.observe: .*24 turns .* and object.kind is 'prism'"):
        load("prism", [setting], {})

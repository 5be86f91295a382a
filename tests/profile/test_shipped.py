import math
import re

import pytest

from dexctl.profile.layers import find
from dexctl.profile.load import check_part, load, names
from dexctl.scene.names import ACTUATORS, BASE_MARKERS, FINGERS, JOINTS

WHOLE = [one.name for one in names() if not one.part]
PARTS = [one.name for one in names() if one.part]


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_profile_loads_and_comes_back_from_its_own_text(name, tmp_path):
    loaded = load(name, [], {})
    path = tmp_path / "resolved.toml"
    path.write_text(loaded.to_toml())
    again = load(str(path), [], {})
    assert again.profile == loaded.profile
    assert again.digest == loaded.digest


@pytest.mark.parametrize("name", PARTS)
def test_a_part_says_nothing_wrong(name):
    check_part(name, [], {})


@pytest.mark.parametrize("name", WHOLE)
def test_a_shipped_profile_names_every_joint_actuator_and_marker_of_the_hand(name):
    hand = load(name, [], {}).profile.hand
    assert tuple(hand.joints) == JOINTS
    assert tuple(hand.actuators) == ACTUATORS
    assert tuple(hand.fingertip_markers) == FINGERS
    assert tuple(hand.base_markers_m) == BASE_MARKERS


SOURCE = re.compile(
    r"appendix [A-D]|Table \d|section \d|robogym|ORRB|Gymnasium-Robotics|MuJoCo Menagerie|IsaacGymEnvs|arXiv"
    r"|chosen|tools/LOG.md"
)


@pytest.mark.parametrize("name", WHOLE + PARTS)
def test_every_number_has_its_source_beside_it_or_above_its_paragraph(name):
    for paragraph in find(name).read_text().split("\n\n"):
        above, lines = "", paragraph.splitlines()
        for line in lines:
            value, _, comment = line.partition("#")
            if not value or value.startswith("["):
                above += comment
            elif re.search(r"\d", re.sub(r'"[^"]*"', "", value.partition("=")[2])):
                assert SOURCE.search(above + comment), line


def test_the_paper_profile_holds_the_numbers_of_the_paper():
    paper = load("block-paper", [], {}).profile
    assert paper.physics.timestep_s * paper.physics.substeps == pytest.approx(0.08)
    assert (paper.action.bins, paper.action.average) == (11, 0.3)
    assert (paper.reward.kind, paper.reward.goal, paper.reward.drop) == ("progress", 5, -20)
    assert (paper.task.success_rad, paper.task.goals_per_episode, paper.task.goal_timeout_s) == (0.4, 50, 8)
    assert (paper.evaluate.goals, paper.evaluate.goal_timeout_s, paper.evaluate.trials) == (50, 80, 100)
    ppo = paper.ppo
    assert (ppo.discount, ppo.gae_lambda, ppo.clip, ppo.entropy) == (0.998, 0.95, 0.2, 0.01)
    assert (ppo.batch_steps, ppo.chunk_steps) == (800_000, 10)
    assert ppo.minibatches * ppo.epochs == 60
    assert ppo.learning_rate == ppo.learning_rate_min == ppo.learning_rate_max == 3e-4
    for network in (paper.policy.actor, paper.policy.critic):
        assert (network.kind, network.hidden, network.lstm) == ("lstm", [1024], 512)
        assert network.activation == "relu"
    assert paper.policy.clip_std == 5
    assert paper.hand.gains == "2018"


def test_the_cameras_look_at_the_block():
    loaded = load("block", [], {}).profile
    for camera in loaded.cameras.values():
        w, x, y, z = camera.quaternion_wxyz
        # A camera looks along its -z axis: minus the third column of the rotation.
        looks = (-2 * (x * z + w * y), -2 * (y * z - w * x), -(1 - 2 * (x * x + y * y)))
        to_block = [block - at for block, at in zip(loaded.object.spawn_m, camera.position_m, strict=True)]
        cosine = sum(a * b for a, b in zip(looks, to_block, strict=True)) / math.hypot(*to_block)
        assert math.degrees(math.acos(min(1, cosine))) < camera.vertical_fov_deg / 2


def test_the_two_core_profiles_differ_from_the_paper_only_where_they_say_so():
    paper, block = load("block-paper", [], {}), load("block", [], {})
    changed = {
        key
        for key, origin in block.origins.items()
        if origin in ("profiles/block.toml", "profiles/randomize/none.toml")
    }
    for key, origin in block.origins.items():
        assert key in changed or origin == paper.origins[key]


def test_yaw_inherits_all_but_goal_and_start():
    block, yaw = load("block", [], {}), load("block-yaw", [], {})
    own = {key for key, origin in yaw.origins.items() if origin == "profiles/block-yaw.toml"}
    assert own >= {"task.goal", "task.start"}
    assert (yaw.profile.task.goal, yaw.profile.task.start) == ("yaw", "yaw")
    assert all(yaw.origins[key] == block.origins[key] for key in yaw.origins if key not in own)


def test_the_networks_of_the_paper_see_22_and_85_numbers():
    from dexctl.profile.check import OBSERVATIONS
    from dexctl.reorient.observation import sizes, total_size

    profile = load("block-paper", [], {}).profile
    policy = profile.policy
    assert (total_size(policy.actor.observe, profile), total_size(policy.critic.observe, profile)) == (22, 85)
    assert tuple(sizes(profile)) == OBSERVATIONS

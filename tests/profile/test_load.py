import json
import re

import msgspec
import pytest

from dexctl.errors import ProfileError
from dexctl.profile.load import check_part, is_part, load, names

EMPTY: dict[str, str] = {}


def setting(value):
    return f"ppo.clip={value}"


def clip_of(tmp_path, own, settings, environment):
    own_key = "\n[ppo]\nclip = 0.3" if own else ""
    (tmp_path / "mine.toml").write_text(f'inherits = "block"\ndescription = "x"{own_key}')
    loaded = load(str(tmp_path / "mine.toml"), settings, environment)
    return loaded.profile.ppo.clip, loaded.origins["ppo.clip"]


def test_settings_win_over_environment_over_profile_over_inherited(tmp_path):
    variable = {"DEXCTL_SET": setting(0.4)}
    mine = str(tmp_path / "mine.toml")
    assert clip_of(tmp_path, True, [setting(0.5)], variable) == (0.5, "--set")
    assert clip_of(tmp_path, True, [], variable) == (0.4, "DEXCTL_SET")
    assert clip_of(tmp_path, True, [], EMPTY) == (0.3, mine)
    assert clip_of(tmp_path, False, [], EMPTY) == (0.2, "profiles/train/paper.toml")


def test_the_environment_is_this_process_unless_given(monkeypatch):
    monkeypatch.setenv("DEXCTL_SET", "ppo.clip=0.35; run.seed=7;")
    assert load("block").profile.ppo.clip == 0.35
    assert load("block").profile.run.seed == 7
    assert load("block", environment=EMPTY).profile.ppo.clip == 0.2


def test_every_value_has_an_origin():
    loaded = load("block", ["run.seed=3"], EMPTY)
    assert loaded.origins["run.seed"] == "--set"
    assert loaded.origins["hand.joints.FFJ3.range_rad"] == "profiles/hand/shadow.toml"
    assert loaded.origins["hand.joints.FFJ3.stiffness"] == "default"
    assert loaded.origins["policy.actor.hidden"] == "profiles/block.toml"
    tables = json.loads(msgspec.json.encode(loaded.profile))

    def count(value):
        return sum(map(count, value.values())) if isinstance(value, dict) else value is not None

    assert len(loaded.origins) == count(tables)


@pytest.mark.parametrize(
    "change",
    [
        "ppo.clip=0.3",
        "hand.joints.FFJ3.damping=0.16",
        "object.mass_kg=0.08",
        "policy.actor.hidden=[128]",
        "rollout.environments=64",
        "physics.substeps=5",
        "cameras.top.vertical_fov_deg=29.0",
    ],
)
def test_the_digest_changes_with_what_shapes_experience_and_learning(change):
    assert load("block", [change], EMPTY).digest != load("block", [], EMPTY).digest


@pytest.mark.parametrize(
    "change",
    [
        "run.workers=5",
        "evaluate.batch=7",
        "wire.credits=9",
        "physics.threads=2",
        "physics.dump_failures=0",
        "physics.backend='warp'",
        "physics.device='cuda:1'",
        "physics.max_contacts=9",
        "physics.max_constraints=99",
        "description=other",
    ],
)
def test_the_digest_stays_with_what_does_not(change):
    assert load("block", [change], EMPTY).digest == load("block", [], EMPTY).digest


def test_whole_numbers_for_fractional_keys_are_the_same_number():
    assert load("block", ["reward.goal=5"], EMPTY).digest == load("block", ["reward.goal=5.0"], EMPTY).digest


def test_a_resolved_profile_keeps_settings_and_needs_no_other_file(tmp_path):
    loaded = load("block", ["ppo.clip=0.15", 'description="said \\"so\\""'], EMPTY)
    path = tmp_path / "profile.toml"
    path.write_text(loaded.to_toml())
    again = load(str(path), [], EMPTY)
    assert again.profile == loaded.profile
    assert again.digest == loaded.digest
    assert "inherits" not in loaded.to_toml()
    assert re.search(r"^clip = 0.15 +# --set$", loaded.to_toml(), re.MULTILINE)


def test_json_holds_profile_origins_and_digest():
    loaded = load("block", [], EMPTY)
    document = json.loads(loaded.to_json())
    assert document["name"] == "block"
    assert document["digest"] == loaded.digest
    assert document["profile"]["ppo"]["clip"] == 0.2
    assert document["origins"] == loaded.origins


def test_a_list_of_profiles_tells_whole_ones_from_parts():
    listed = {one.name: one for one in names()}
    assert {name for name, one in listed.items() if not one.part} >= {"block", "block-paper", "block-yaw"}
    assert {name for name, one in listed.items() if one.part} >= {"hand/shadow", "object/block", "cameras"}
    assert all(is_part(name) == one.part for name, one in listed.items())
    assert all(one.description for one in listed.values())


def test_a_part_is_refused_as_a_whole_profile_and_right_as_a_part():
    check_part("hand/shadow", [], EMPTY)
    with pytest.raises(ProfileError, match=r"profiles/hand/shadow\.toml: lacks object, cameras, physics,"):
        load("hand/shadow", [], EMPTY)


def test_a_wrong_key_in_a_part_is_named(tmp_path):
    (tmp_path / "part.toml").write_text("[hand]\ncoupled_dampin = 1.0")
    with pytest.raises(ProfileError, match=r"part\.toml: hand\.coupled_dampin: unknown key\nDid you mean"):
        check_part(str(tmp_path / "part.toml"), [], EMPTY)

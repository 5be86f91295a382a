import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dexctl.errors import ProfileError
from dexctl.profile.distribution import Bounds, Distribution, WrongValue, is_distribution, parse, support
from dexctl.profile.layers import find
from dexctl.profile.load import digest, load

NUMBERS = st.floats(-1e6, 1e6)


@given(NUMBERS)
def test_a_number_stands_for_itself(number):
    assert parse(number) == number
    assert support(parse(number)) == (number, number)


@given(NUMBERS, NUMBERS)
def test_a_uniform_range_is_taken_when_it_stands_upright_and_refused_otherwise(a, b):
    raw = {"uniform": [a, b]}
    if a <= b:
        assert parse(raw) == Distribution(uniform=(a, b))
        assert support(parse(raw)) == (a, b)
    else:
        with pytest.raises(WrongValue, match="lower <= upper"):
            parse(raw)


def test_supports_reach_as_far_as_draws_do():
    assert support(parse({"loguniform": [0.3, 3]})) == (0.3, 3)
    assert support(parse({"normal": [1, 0.1]})) == (-math.inf, math.inf)
    assert support(parse({"normal": [1, 0]})) == (1, 1)
    assert support(parse({"exponential": 2})) == (0, math.inf)


def test_bounds_hold_for_all_that_may_be_drawn():
    positive = Bounds(low=0.0, open=True)
    assert parse({"uniform": [0.5, 1.5]}, positive)
    for raw in (0.0, -1, {"uniform": [0.0, 1.0]}, {"uniform": [-0.5, 1.5]}, {"normal": [1.0, 0.1]}):
        with pytest.raises(WrongValue, match="> 0"):
            parse(raw, positive)
    with pytest.raises(WrongValue, match="<= 1"):
        parse({"loguniform": [0.1, 2]}, Bounds(0.0, 1.0))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "mass={uniform=[1.5, 0.5]}",
            "mass: expected {uniform = [lower, upper]} with lower <= upper, got [1.5, 0.5]",
        ),
        (
            "mass={uniform=[-0.5, 1.5]}",
            "mass: expected a number or a distribution > 0, got { uniform = [-0.5, 1.5] }, "
            "which reaches from -0.5 to 1.5",
        ),
        ("mass=-1", "mass: expected a number or a distribution > 0, got -1"),
        (
            "mass={normal=[1, 0.2]}",
            "mass: expected a number or a distribution > 0, got { normal = [1, 0.2] }, which reaches from -inf to inf",
        ),
        (
            "joint_damping={loguniform=[0, 3]}",
            "joint_damping: expected {loguniform = [lower, upper]} with lower > 0, got [0, 3]",
        ),
        (
            "joint_damping={loguniform=[-1, 3]}",
            "joint_damping: expected {loguniform = [lower, upper]} with lower > 0, got [-1, 3]",
        ),
        (
            "gravity_m_s2={normal=[0, -0.4]}",
            "gravity_m_s2: expected {normal = [mean, std]} with a std >= 0, got [0, -0.4]",
        ),
        (
            "gravity_m_s2={exponential=-1}",
            "gravity_m_s2: expected {exponential = mean} with a mean >= 0, got -1",
        ),
        (
            "gravity_m_s2={unifrom=[0, 1]}",
            'gravity_m_s2: expected one of uniform, loguniform, normal, exponential, got "unifrom"\n'
            "Did you mean 'uniform'?",
        ),
        (
            "gravity_m_s2={normal=[0, 1], uniform=[0, 1]}",
            'gravity_m_s2: expected one of uniform, loguniform, normal, exponential, got ["normal", "uniform"]',
        ),
        ("gravity_m_s2={normal=[0]}", "gravity_m_s2: expected {normal = [a, b]}, two numbers, got [0]"),
        ("gravity_m_s2={normal=[0, nan]}", "gravity_m_s2: expected {normal = [a, b]}, two numbers, got [0, nan]"),
        ("gravity_m_s2=strong", 'gravity_m_s2: expected a number or a distribution, got "strong"'),
        ("gravity_m_s2=inf", "gravity_m_s2: expected a number or a distribution, got inf"),
    ],
)
def test_a_bad_range_is_refused_with_its_key(setting, message):
    with pytest.raises(ProfileError) as caught:
        load("block", [f"randomize.physics.{setting}"], {})
    assert caught.value.code == 78
    assert str(caught.value) == f"--set: randomize.physics.{message}"


def test_least_and_most_lights_stand_in_order():
    with pytest.raises(ProfileError, match=r"randomize.appearance.num_lights: expected least <= most, got \[6, 4\]"):
        load("block", ["randomize.appearance.num_lights=[6, 4]"], {})


def test_a_distribution_is_replaced_whole_by_another_kind_and_by_a_number():
    mass = "randomize.physics.mass"
    assert load("block-paper", [f"{mass}={{loguniform=[1, 2]}}"], {}).profile.randomize.physics.mass == Distribution(
        loguniform=(1.0, 2.0)
    )
    assert load("block-paper", [f"{mass}=1"], {}).profile.randomize.physics.mass == 1.0
    assert load("block-paper", [f"{mass}=1", f"{mass}.uniform=[1, 2]"], {}).profile.randomize.physics.mass == (
        Distribution(uniform=(1.0, 2.0))
    )


def test_every_range_is_shown_with_its_origin():
    loaded = load("ablation/no-physics", ["randomize.physics.mass={uniform=[0.8, 1.2]}"], {})
    assert loaded.origins["randomize.physics.mass"] == "--set"
    assert loaded.origins["randomize.physics.on"] == "profiles/ablation/no-physics.toml"
    assert loaded.origins["randomize.physics.friction"] == "profiles/randomize/paper.toml"
    lines = dict(loaded.to_tables())["randomize.physics"]
    assert [line.split() for line in lines if line.startswith("mass ")] == [
        ["mass", "=", "{", "uniform", "=", "[0.8,", "1.2]", "}", "#", "--set"]
    ]
    # What only a ball has is left to the ball's own profile.
    stated = [line for line in lines if not line.startswith("rolling_friction")]
    assert not [line for line in stated if line.endswith("# default") or "#" not in line]


def test_shares_of_poses_leave_none_over():
    with pytest.raises(ProfileError, match=r"randomize.pose.jittered: expected turned \+ jittered <= 1"):
        load("block", ["randomize.pose.turned=0.7"], {})


def test_the_digest_follows_every_switch_and_range():
    settings = [[], ["randomize.physics.on=true"], ["randomize.observation.fingertip_step_m=0.1"]]
    settings += [["randomize.unmodeled.backlash.on=false"], ["randomize.appearance.num_lights=[4, 5]"]]
    assert len({load("block", each, {}).digest for each in settings}) == len(settings)
    profile = load("block-paper", [], {}).profile
    assert digest(profile) == load("block-paper", [], {}).digest


ABLATIONS = {
    "all": {"physics", "observation", "unmodeled"},
    "none": set(),
    "no-observation-noise": {"physics", "unmodeled"},
    "no-physics": {"observation", "unmodeled"},
    "no-unmodeled-effects": {"physics", "observation"},
}


@pytest.mark.parametrize("name", ABLATIONS)
def test_the_ablations_of_figure_8_differ_in_switches_alone(name):
    everything, ablation = load("ablation/all", [], {}), load(f"ablation/{name}", [], {})
    for group in ("physics", "observation", "unmodeled"):
        assert getattr(ablation.profile.randomize, group).on == (group in ABLATIONS[name])
    differ = {key for key in ablation.origins if ablation.origins[key] != everything.origins[key]}
    assert differ <= {
        f"randomize.{group}.on" for group in ("physics", "observation", "unmodeled", "appearance", "pose")
    } | {"description"}


def test_the_ranges_of_the_paper_stand_in_one_file():
    text = find("randomize/paper").read_text()
    randomize = load("block-paper", [], {}).profile.randomize
    assert randomize.physics.on
    assert randomize.observation.on
    assert randomize.unmodeled.on
    assert randomize.appearance.on
    assert randomize == load("ablation/all", [], {}).profile.randomize
    assert text.count("Table 1") >= 7
    assert is_distribution({"normal": [0, 1]})
    assert not is_distribution({"normal": [0, 1], "on": True})

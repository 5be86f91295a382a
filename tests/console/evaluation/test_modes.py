import pytest

from dexctl.console.evaluation.modes import MODES, Mode, choose
from dexctl.console.evaluation.question import Question
from dexctl.errors import UsageError

TRIALS = Mode("trials", needs=("policy",), takes=("seed", "profile"))
PICTURES = Mode("pictures", needs=("images", "eyes"), takes=("profile",))
PROBE = Mode("probe", needs=("policy", "memory_probe"), takes=("seed",))
THREE = (TRIALS, PICTURES, PROBE)


def typed(given):
    return {name: f"--{name.replace('_', '-')}" for name in given}


@pytest.mark.parametrize(
    ("given", "mode"),
    [
        (["policy", "seed"], TRIALS),
        (["profile", "eyes", "images"], PICTURES),
        (["memory_probe", "seed", "policy"], PROBE),
    ],
)
def test_the_options_given_decide_the_mode_whatever_their_order(given, mode):
    assert choose(given, typed(given), THREE) is mode


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "Give --policy; or --images and --eyes; or --policy and --memory-probe."),
        (["images", "profile"], "nothing to evaluate"),
        (["policy", "images"], "--images makes no sense with --policy"),
        (["policy", "memory_probe", "profile"], "--profile makes no sense with --policy and --memory-probe"),
    ],
)
def test_options_that_do_not_go_together_are_refused_by_name(given, told):
    with pytest.raises(UsageError, match=told) as refused:
        choose(given, typed(given), THREE)
    assert refused.value.code == 64


def test_what_stands_in_the_environment_is_passed_over_where_it_does_not_belong():
    assert choose(["policy", "images", "eyes", "seed"], typed(["images", "eyes"]), THREE) is PICTURES
    assert choose(["policy", "images", "eyes"], typed(["policy"]), THREE) is TRIALS


def test_an_option_on_the_command_line_is_held_against_its_mode_also_with_its_default():
    with pytest.raises(UsageError, match="--seed makes no sense with --images and --eyes"):
        choose(["images", "eyes"], typed(["images", "eyes", "seed"]), THREE)


def test_a_question_knows_which_options_it_was_given():
    assert Question().given() == ()
    assert Question(policy=("zero",), trials=3).given() == ("policy", "trials")


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.session)
def test_every_mode_reads_options_that_there_are_and_has_its_session(mode):
    import importlib

    assert {*mode.needs, *mode.takes} <= set(Question.__dataclass_fields__)
    assert len({*mode.needs, *mode.takes}) == len(mode.needs + mode.takes)
    assert callable(importlib.import_module(f"dexctl.console.evaluation.{mode.session}").run)

import pytest

from dexctl.console.evaluation.modes import MODES, Mode, choose
from dexctl.console.evaluation.question import Question
from dexctl.errors import UsageError

TRIALS = Mode("trials", needs=("policy",), takes=("seed", "profile"))
PICTURES = Mode("pictures", needs=("images", "eyes"), takes=("profile",))
PROBE = Mode("probe", needs=("policy", "memory_probe"), takes=("seed",))
THREE = (TRIALS, PICTURES, PROBE)


@pytest.mark.parametrize(
    ("given", "mode"),
    [
        (["policy", "seed"], TRIALS),
        (["profile", "eyes", "images"], PICTURES),
        (["memory_probe", "seed", "policy"], PROBE),
    ],
)
def test_the_options_given_decide_the_mode_whatever_their_order(given, mode):
    assert choose(given, THREE) is mode


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
        choose(given, THREE)
    assert refused.value.code == 64


def test_a_question_knows_which_options_it_was_given():
    assert Question().given() == ()
    assert Question(policy=("zero",), trials=3).given() == ("policy", "trials")


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.session)
def test_every_mode_reads_options_that_there_are_and_has_its_session(mode):
    import importlib

    assert {*mode.needs, *mode.takes} <= set(Question.__dataclass_fields__)
    assert len({*mode.needs, *mode.takes}) == len(mode.needs + mode.takes)
    assert callable(importlib.import_module(f"dexctl.console.evaluation.{mode.session}").run)

"""An evaluation of policies from the question to the answer."""

import json
import os
import signal

import pytest

from dexctl.console.evaluation.comparing import shortened
from dexctl.console.evaluation.policies import run
from dexctl.console.evaluation.question import Question
from dexctl.console.exit_codes import Stopped
from dexctl.console.output import Output
from dexctl.errors import CreateError, NotReached, UsageError

EASY = (
    "task.start_random_steps=2",
    "task.success_rad=1.8",
    "task.redraw_reached=false",
    "evaluate.goal_timeout_s=0.8",
    "evaluate.goals=3",
)


def asked(**options):
    return Question(**{"policy": ("random", "zero"), "profile": ("block",), "set": EASY, "trials": 5} | options)


def answer(capsys, question):
    run(question, Output(json=True), dry_run=False)
    return json.loads(capsys.readouterr().out)


def test_policies_in_one_call_score_as_they_do_alone(capsys):
    together = answer(capsys, asked())["policies"]
    alone = [answer(capsys, asked(policy=(name,)))["policies"][0] for name in ("random", "zero")]
    assert [one["name"] for one in together] == ["random", "zero"]
    assert together[0] == alone[0]
    apart = together[1].pop("less_first")
    assert together[1] == alone[1]
    pairs = zip(alone[1]["by_trial"], alone[0]["by_trial"], strict=True)
    assert apart["mean"] == pytest.approx(sum(a - b for a, b in pairs) / 5)
    assert apart["trials"] == 5


def test_every_policy_is_scored_on_every_profile(capsys):
    scores = answer(capsys, asked(profile=("block-yaw", "sphere"), trials=1))["policies"]
    assert [(one["name"], one["profile"]) for one in scores] == [
        (policy, profile) for profile in ("block-yaw", "sphere") for policy in ("random", "zero")
    ]


def test_the_paper_s_row_of_the_task_stands_beside_it_or_those_that_were_asked_for(capsys):
    assert [row["mean"] for row in answer(capsys, asked(trials=1))["paper"]] == [43.4]
    assert answer(capsys, asked(trials=1, profile=("block-yaw",)))["paper"] == []
    rows = answer(capsys, asked(trials=1, paper=("prism", "prism-robot")))["paper"]
    assert [(row["mean"], row["place"]) for row in rows] == [(29.0, "simulation"), (7.8, "robot")]


def test_people_read_a_table(capsys):
    run(asked(), Output(), dry_run=False)
    told = capsys.readouterr().out
    for words in ("mean ± std", "95% interval", "sorted trials", "less random", "paper, Table 3, simulation"):
        assert words in told


def test_a_plot_is_a_picture(capsys, tmp_path):
    for name, start in (("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.pdf", b"%PDF")):
        path = tmp_path / name
        run(asked(trials=2, plot=path), Output(quiet=True), dry_run=False)
        assert path.read_bytes().startswith(start)
        assert capsys.readouterr().out == f"{path}\n"


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"plot": "a.jpg"}, UsageError),
        ({"plot": "no/such/a.png"}, CreateError),
        ({"paper": ("blok",)}, UsageError),
        ({"set": ("policy.clip_std=3",)}, UsageError),
        ({"profile": ()}, UsageError),
    ],
)
def test_what_is_wrong_is_told_before_any_trial(tmp_path, wrong, error):
    if "plot" in wrong:
        wrong["plot"] = tmp_path / wrong["plot"]
    with pytest.raises(error):
        run(asked(**wrong), Output(), dry_run=True)


def test_a_stop_shows_nothing(capsys, monkeypatch):
    import dexctl.console.evaluation.policies as session

    def interrupted(*args):
        os.kill(os.getpid(), signal.SIGTERM)
        yield []
        yield []

    monkeypatch.setattr(session, "play_trials", interrupted)
    with pytest.raises(Stopped):
        run(asked(policy=("random",)), Output(), dry_run=False)
    assert capsys.readouterr().out == ""


def test_equal_trials_stand_together():
    assert shortened([50, 50, 50, 41, 7, 7, 0]) == "50 x3, 41, 7 x2, 0"
    assert shortened([]) == ""


def test_a_mean_below_the_one_asked_for_is_shown_and_is_no(capsys):
    with pytest.raises(NotReached, match=r"zero: \d\.\d\d goals in a row, not 3\.5 at least") as no:
        answer(capsys, asked(policy=("zero",), trials=1, at_least=3.5))
    assert no.value.code == 1
    assert json.loads(capsys.readouterr().out)["policies"][0]["name"] == "zero"
    assert answer(capsys, asked(policy=("zero",), trials=1, at_least=0.0))

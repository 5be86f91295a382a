"""Policies scored by trials: opened, played, shown as a table or a document."""

from __future__ import annotations

from typing import Any

from dexctl.console.evaluation.question import Question
from dexctl.console.output import Output, Table
from dexctl.console.progress import Progress
from dexctl.console.signals import Signals
from dexctl.evaluate.trials import Trial, run_trials, score
from dexctl.policy.opening import BASELINES, OpenPolicy, open_policy
from dexctl.profile.load import adjust, load
from dexctl.profile.schema import Profile


class _Shown:
    """Tells the progress panel of every trial that ends."""

    def __init__(self, progress: Progress, name: str, count: int) -> None:
        self._progress, self._name, self._count = progress, name, count
        self._goals: list[int] = []

    def __call__(self, trial: Trial) -> None:
        self._goals.append(trial.goals)
        mean = sum(self._goals) / len(self._goals)
        played = f"{len(self._goals)} of {self._count}"
        self._progress.update({"policy": self._name, "trials": played, "goals in a row": mean})


def run(question: Question, output: Output, dry_run: bool) -> None:
    """Plays the trials of every policy and shows the score.

    Raises:
        UsageError, MissingError, DataError, ProtocolError, ProfileError: before any trial is played.
        Stopped: a signal; nothing is shown of a policy whose trials are not all played.
    """
    policies = _open(question)
    if dry_run:
        return
    scores: list[dict[str, Any]] = []
    with Signals() as signals, Progress("evaluate", quiet=output.quiet) as progress:
        for policy in policies:
            count = question.trials or policy.profile.evaluate.trials
            show = _Shown(progress, policy.name, count)
            trials = run_trials(
                policy.profile, policy.chooser, count, question.seed, show, lambda: signals.stopped_by is not None
            )
            signals.raise_if_stopped()
            scores.append(score(policy.name, trials))
    document = {
        "policies": scores,
        "seed": question.seed,
        "trials": question.trials or policies[0].profile.evaluate.trials,
        "greedy": question.greedy,
        "goal_timeout_s": policies[0].profile.evaluate.goal_timeout_s,
        "goals": policies[0].profile.evaluate.goals,
    }
    output.show(document, _table(scores), _trials_table(scores))


def _open(question: Question) -> list[OpenPolicy]:
    profile: Profile | None = load(question.profile, question.set).profile if question.profile else None
    trained = [name for name in question.policy if name not in BASELINES]
    if profile is None and trained:
        profile = adjust(open_policy(trained[0], None).profile, question.set, trained[0])
    return [open_policy(name, profile, question.greedy) for name in question.policy]


def _table(scores: list[dict[str, Any]]) -> Table:
    headings = ("policy", "mean", "std", "median", "s/goal", "drop", "timeout", "full", "error")
    rows = [
        (
            one["name"],
            *(None if one[key] is None else round(one[key], 2) for key in ("mean", "std", "median", "time_per_goal_s")),
            *one["ends"].values(),
        )
        for one in scores
    ]
    return Table(headings, rows, "goals in a row")


def _trials_table(scores: list[dict[str, Any]]) -> Table:
    return Table(("policy", "sorted trials"), [(one["name"], " ".join(map(str, one["trials"]))) for one in scores])

"""``dexctl evaluate --recording``: the score of trials that were played on a robot."""

from __future__ import annotations

from dexctl.console.evaluation.comparing import document_of, less_first, tables
from dexctl.console.evaluation.question import Question
from dexctl.console.output import Output
from dexctl.evaluate.paper import goals_row
from dexctl.evaluate.recorded import recorded_trials
from dexctl.evaluate.trials import score
from dexctl.store.recordings import Recording


def run(question: Question, output: Output, dry_run: bool) -> None:
    """Scores each recording, beside the rows of the paper that are asked for.

    Raises:
        UsageError: the paper has no such row.
        MissingError, DataError: there is no recording, or it is damaged.
    """
    recordings = [Recording(path) for path in question.recording]
    rows = [goals_row(name) for name in question.paper]
    if dry_run:
        return
    trials = [recorded_trials(one) for one in recordings]
    scores = [
        {
            **score(str(one.path), some),
            "policy": one.metadata.policy,
            "robot": one.metadata.robot,
            "steps": len(one),
        }
        for one, some in zip(recordings, trials, strict=True)
    ]
    differences = less_first(trials)
    document = document_of(scores, differences, rows)
    document["recordings"] = document.pop("policies")
    named = [(one["name"], one) for one in scores]
    output.show(document, *tables(named, rows, differences))

"""``dexctl evaluate --recording``: the score of trials that were played on a robot."""

from __future__ import annotations

from dexctl.console.evaluation.question import Question
from dexctl.console.output import Output, Table
from dexctl.evaluate.recorded import recorded_trials
from dexctl.evaluate.trials import score
from dexctl.store.recordings import Recording


def run(question: Question, output: Output, dry_run: bool) -> None:
    """Scores each recording.

    Raises:
        MissingError, DataError: there is none, or it is damaged.
    """
    recordings = [Recording(path) for path in question.recording]
    if dry_run:
        return
    scores = [score(str(one.path), recorded_trials(one)) for one in recordings]
    document = {
        "recordings": [
            {**scored, "policy": one.metadata.policy, "robot": one.metadata.robot, "steps": len(one)}
            for scored, one in zip(scores, recordings, strict=True)
        ]
    }
    rows = [
        (
            one.metadata.policy,
            *(None if scored[key] is None else round(scored[key], 2) for key in ("mean", "std", "median")),
            " ".join(map(str, scored["trials"])),
            *scored["ends"].values(),
        )
        for scored, one in zip(scores, recordings, strict=True)
    ]
    headings = ("policy", "mean", "std", "median", "sorted trials", "drop", "timeout", "full", "error")
    output.show(document, Table(headings, rows, "goals in a row, on a robot"))

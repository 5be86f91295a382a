"""``dexctl evaluate --recording``: the score of trials that were played on a robot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dexctl.console.beforehand import FIGURES, check_output
from dexctl.console.evaluation.comparing import document_of, less_first, tables
from dexctl.console.evaluation.question import Question
from dexctl.console.output import Output, Table
from dexctl.console.progress import Progress
from dexctl.console.signals import Signals
from dexctl.errors import UsageError
from dexctl.evaluate.paper import Goals, goals_row
from dexctl.evaluate.recorded import recorded_timing, recorded_tracks, recorded_trials
from dexctl.evaluate.trials import Trial, score
from dexctl.profile.schema import Profile
from dexctl.store.recordings import Recording
from dexctl.store.rows import profile_of

_TIMING = ("steps", "late", "worst_late_ms", "step_median_ms", "step_p99_ms")


def run(question: Question, output: Output, dry_run: bool) -> None:
    """Scores each recording, beside the rows of the paper that are asked for.

    Raises:
        UsageError: the paper has no such row, or a film is wanted without a report.
        MissingError, DataError: there is no recording, or it is damaged.
        CreateError, InputOutputError: the plot or the report cannot be written.
        UnavailableError: a report is wanted, and this machine cannot draw.
        Stopped: a signal, while the report was painted.
    """
    recordings = [Recording(path) for path in question.recording]
    rows = [goals_row(name) for name in question.paper]
    profiles = [
        profile_of(one.metadata.profile, str(one.path), "Use the dexctl that recorded it.") for one in recordings
    ]
    _check_outputs(question, profiles[0])
    if dry_run:
        return
    trials = [recorded_trials(one) for one in recordings]
    timing = {str(one.path): recorded_timing(one) for one in recordings}
    scores = [
        {
            **score(str(one.path), some),
            "policy": one.metadata.policy,
            "robot": one.metadata.robot,
            "steps": len(one),
            "timing": timing[str(one.path)],
        }
        for one, some in zip(recordings, trials, strict=True)
    ]
    differences = less_first(trials)
    document = document_of(scores, differences, rows)
    document["recordings"] = document.pop("policies")
    named = [(one["name"], one) for one in document["recordings"]]
    if question.report:
        _report(question, output, document, named, rows, (recordings, profiles, trials), timing)
    if question.plot:
        from dexctl.evaluate.sorted_plot import draw_sorted

        draw_sorted(named, rows, question.plot)
        output.made(question.plot)
    kept = [(name, *(round(one[key], 1) for key in _TIMING)) for name, one in timing.items()]
    headings = ("control steps", "number", "begun late", "worst, ms", "median, ms", "99%, ms")
    output.show(document, *tables(named, rows, differences), Table(headings, kept))


def _check_outputs(question: Question, profile: Profile) -> None:
    if question.film and not question.report:
        raise UsageError("--film is for a report", "Give --report FOLDER.")
    if question.report:
        from dexctl.console.evaluation.reporting import check_report

        check_report(question.report, profile)
    if question.plot:
        check_output(question.plot, *FIGURES)


def _report(
    question: Question,
    output: Output,
    document: dict[str, Any],
    named: Sequence[tuple[str, dict[str, Any]]],
    rows: Sequence[Goals],
    played: tuple[Sequence[Recording], Sequence[Profile], Sequence[list[Trial]]],
    timing: dict[str, dict[str, float]],
) -> None:
    from dexctl.console.evaluation.reporting import Played, write_report
    from dexctl.scene.build import build_scene

    assert question.report is not None
    with Signals() as signals, Progress("evaluate", quiet=output.quiet) as progress:

        def on_picture(name: str) -> None:
            signals.raise_if_stopped()
            progress.update({"painting": name})

        shown = []
        for recording, profile, trials in zip(*played, strict=True):
            tracks = recorded_tracks(recording, build_scene(profile))
            by_index = {trial.index: track for trial, track in zip(trials, tracks, strict=True)}
            shown.append(Played(profile, trials, by_index.__getitem__))
        heading = _heading(played[0], played[1])
        page = write_report(question.report, heading, document, named, rows, shown, question.film, on_picture, timing)
    output.made(page)


def _heading(recordings: Sequence[Recording], profiles: Sequence[Profile]) -> tuple[str, str]:
    """Title and lead of the report."""
    settings, about = profiles[0].evaluate, recordings[0].metadata
    count = len(recordings)
    title = f"{about.policy} on {about.features.get('name', about.robot)}" if count == 1 else f"{count} recordings"
    sessions = "; ".join(f"{one.metadata.policy} on {one.metadata.robot}, {one.metadata.started}" for one in recordings)
    return title, (
        f"Goals reached in a row until a drop, {settings.goal_timeout_s:g} s for one, or {settings.goals} of them, "
        f"played on a robot: {sessions}."
    )

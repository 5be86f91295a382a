"""Policies scored by trials: opened, played in turns, compared, shown as tables or a document."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from dexctl.console.beforehand import FIGURES, check_output
from dexctl.console.evaluation.comparing import document_of, labelled, less_first, tables
from dexctl.console.evaluation.contenders import Contender, open_contenders
from dexctl.console.evaluation.question import Question
from dexctl.console.output import Output
from dexctl.console.progress import Progress
from dexctl.console.signals import Signals
from dexctl.errors import NotReached, UsageError
from dexctl.evaluate.comparison import Difference
from dexctl.evaluate.paper import Goals, fitting_row, goals_row
from dexctl.evaluate.tracks import Tracks
from dexctl.evaluate.trials import Look, Trial, play_trials, score
from dexctl.policy import checkpoint
from dexctl.policy.opening import BASELINES


def run(question: Question, output: Output, dry_run: bool) -> None:
    """Plays the trials of every policy, one control step of each in turn, and shows how they compare.

    Raises:
        UsageError, MissingError, DataError, ProtocolError, ProfileError: before any trial is played.
        CreateError, InputOutputError: the plot or the report cannot be written.
        UnavailableError: a report is wanted, and this machine cannot draw.
        NotReached: all is shown, and the first policy's mean is below the one asked for.
        Stopped: a signal; nothing is shown, since the trials that are over first are the short ones.
    """
    contenders = open_contenders(question)
    rows = [goals_row(name) for name in question.paper] or _fitting(contenders)
    _check_outputs(question, contenders)
    if dry_run:
        return
    counts = [question.trials or contender.policy.profile.evaluate.trials for contender in contenders]
    tracks = [Tracks() if question.report else None for _ in contenders]
    with (
        _look(question, contenders) as look,
        Signals() as signals,
        Progress("evaluate", quiet=output.quiet) as progress,
    ):
        plays = [
            play_trials(one.policy.profile, one.policy.chooser, count, question.seed, taken, look)
            for one, count, taken in zip(contenders, counts, tracks, strict=True)
        ]
        trials = _in_turns(contenders, counts, plays, progress, lambda: signals.stopped_by is not None)
        signals.raise_if_stopped()
        differences = less_first(trials)
        document = _document(question, contenders, counts, trials, differences, rows)
        scores = labelled(document["policies"])
        if question.report:
            from dexctl.console.evaluation.reporting import Played, write_report

            def on_picture(name: str) -> None:
                signals.raise_if_stopped()
                progress.update({"painting": name})

            played = [
                Played(one.policy.profile, some, taken.track, "" if one.name in BASELINES else one.name)
                for one, some, taken in zip(contenders, trials, tracks, strict=True)
                if taken
            ]
            heading = _heading(document, [name for name, _ in scores])
            page = write_report(question.report, heading, document, scores, rows, played, question.film, on_picture)
            output.made(page)
    if question.plot:
        from dexctl.evaluate.sorted_plot import draw_sorted

        draw_sorted(scores, rows, question.plot)
        output.made(question.plot)
    output.show(document, *tables(scores, rows, differences))
    _check_reached(question.at_least, *scores[0])


def _heading(document: dict[str, Any], names: Sequence[str]) -> tuple[str, str]:
    """Title and lead of the report."""
    count = len(names)
    return (
        names[0] if count == 1 else f"{count} policies compared",
        f"Goals reached in a row until a drop, {document['goal_timeout_s']:g} s for one, or {document['goals']} of "
        f"them. {document['trials']} trials a policy, every policy the same ones (seed {document['seed']}).",
    )


def _check_reached(at_least: float | None, name: str, score: dict[str, Any]) -> None:
    mean = score["mean"]
    if at_least is not None and (mean is None or mean < at_least):
        found = "no trial that counts" if mean is None else f"{mean:.2f} goals in a row"
        raise NotReached(f"{name}: {found}, not {at_least:g} at least", "Train it longer, or ask for less.")


@contextlib.contextmanager
def _look(question: Question, contenders: Sequence[Contender]) -> Iterator[Look]:
    """How policies see: the simulation itself, or with an estimator its pictures."""
    if question.vision is None:
        yield lambda env, rows, seen: seen
        return
    from dexctl.evaluate.sight import Sight
    from dexctl.vision.estimator import Estimator
    from dexctl.vision.opening import locate_estimator

    with Sight(Estimator.open(checkpoint.read(locate_estimator(question.vision)))) as sight:
        for contender in contenders:
            sight.check(contender.policy.profile)
        yield sight.look


def _in_turns(
    contenders: Sequence[Contender],
    counts: Sequence[int],
    plays: Sequence[Iterator[list[Trial]]],
    progress: Progress,
    stopped: Callable[[], bool],
) -> list[list[Trial]]:
    """The trials of each contender, by index; of those that a stop left unfinished, some."""
    trials: list[list[Trial]] = [[] for _ in contenders]
    going = dict(enumerate(plays))
    while going and not stopped():
        for index, play in list(going.items()):
            ended = next(play, None)
            if ended is None:
                del going[index]
            elif ended:
                trials[index] += ended
                progress.update(_progress(contenders[index], counts[index], trials[index]))
    return [sorted(some, key=lambda trial: trial.index) for some in trials]


def _progress(contender: Contender, count: int, trials: Sequence[Trial]) -> dict[str, str]:
    mean = sum(trial.goals for trial in trials) / len(trials)
    return {contender.name: f"{len(trials)} of {count} trials over, {mean:.2f} goals in a row"}


def _fitting(contenders: Sequence[Contender]) -> list[Goals]:
    names = [fitting_row(contender.policy.profile) for contender in contenders]
    return [goals_row(name) for name in dict.fromkeys(names) if name]


def _check_outputs(question: Question, contenders: Sequence[Contender]) -> None:
    if question.film and not question.report:
        raise UsageError("--film is for a report", "Give --report FOLDER.")
    if question.report:
        from dexctl.console.evaluation.reporting import check_report

        check_report(question.report, contenders[0].policy.profile)
    if question.plot:
        check_output(question.plot, *FIGURES)


def _document(
    question: Question,
    contenders: Sequence[Contender],
    counts: Sequence[int],
    trials: Sequence[Sequence[Trial]],
    differences: Sequence[Difference | None],
    rows: Sequence[Goals],
) -> dict[str, Any]:
    settings = contenders[0].policy.profile.evaluate
    scores = [
        {**score(contender.name, some), "profile": contender.profile, "steps": contender.policy.steps}
        for contender, some in zip(contenders, trials, strict=True)
    ]
    return {
        **document_of(scores, differences, rows),
        "vision": question.vision,
        "seed": question.seed,
        "trials": counts[0],
        "greedy": question.greedy,
        "goal_timeout_s": settings.goal_timeout_s,
        "goals": settings.goals,
    }

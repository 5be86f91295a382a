"""Policies scored by trials: opened, played in turns, compared, shown as tables or a document."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from dexctl.console.evaluation.contenders import Contender, open_contenders
from dexctl.console.evaluation.question import Question
from dexctl.console.output import Output, Table
from dexctl.console.progress import Progress
from dexctl.console.signals import Signals
from dexctl.errors import CreateError, UsageError
from dexctl.evaluate.comparison import LEVEL, Difference, decide, difference
from dexctl.evaluate.paper import Goals, fitting_row, goals_row
from dexctl.evaluate.tracks import Tracks
from dexctl.evaluate.trials import Trial, goals_by_trial, play_trials, score

_PLOTS = (".png", ".svg", ".pdf")


def run(question: Question, output: Output, dry_run: bool) -> None:
    """Plays the trials of every policy, one control step of each in turn, and shows how they compare.

    Raises:
        UsageError, MissingError, DataError, ProtocolError, ProfileError: before any trial is played.
        CreateError, InputOutputError: the plot or the report cannot be written.
        UnavailableError: a report is wanted, and this machine cannot draw.
        Stopped: a signal; nothing is shown, since the trials that are over first are the short ones.
    """
    contenders = open_contenders(question)
    rows = [goals_row(name) for name in question.paper] or _fitting(contenders)
    _check_outputs(question, contenders)
    if dry_run:
        return
    counts = [question.trials or contender.policy.profile.evaluate.trials for contender in contenders]
    tracks = [Tracks() if question.report else None for _ in contenders]
    with Signals() as signals, Progress("evaluate", quiet=output.quiet) as progress:
        plays = [
            play_trials(one.policy.profile, one.policy.chooser, count, question.seed, taken)
            for one, count, taken in zip(contenders, counts, tracks, strict=True)
        ]
        trials = _in_turns(contenders, counts, plays, progress, lambda: signals.stopped_by is not None)
        signals.raise_if_stopped()
        differences = _differences(trials)
        document = _document(question, contenders, counts, trials, differences, rows)
        scores = labelled(document["policies"])
        if question.report:
            from dexctl.console.evaluation.reporting import write_report

            def on_picture(name: str) -> None:
                signals.raise_if_stopped()
                progress.update({"painting": name})

            played = [(one, some, taken) for one, some, taken in zip(contenders, trials, tracks, strict=True) if taken]
            page = write_report(question.report, document, scores, rows, played, question.film, on_picture)
            output.made(page)
    if question.plot:
        from dexctl.evaluate.sorted_plot import draw_sorted

        draw_sorted(scores, rows, question.plot)
        output.made(question.plot)
    output.show(document, *_tables(scores, rows, differences))


def labelled(scores: Sequence[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Scores with what tells them apart: the policy, and the profile where there are several."""
    several = len({one["profile"] for one in scores}) > 1
    return [(f"{one['name']} on {one['profile']}" if several else one["name"], one) for one in scores]


def shortened(goals: Sequence[int]) -> str:
    """Sorted trials in one line, equal ones together: ``50 x3, 41, 7 x2``."""
    counts = {one: goals.count(one) for one in dict.fromkeys(goals)}
    return ", ".join(f"{one} x{count}" if count > 1 else str(one) for one, count in counts.items())


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
        _check_plot(question.plot)


def _check_plot(path: Path) -> None:
    if path.suffix.lower() not in _PLOTS:
        raise UsageError(f"{path}: not a picture", f"End the name in {', '.join(_PLOTS)}.")
    if not path.parent.is_dir():
        raise CreateError(f"{path}: there is no folder {path.parent}", "Make it, or give another.")


def _differences(trials: Sequence[Sequence[Trial]]) -> list[Difference | None]:
    """Each policy less the first, trial by trial; None where there are too few."""
    first, *others = [goals_by_trial(some) for some in trials]
    found = [difference(other, first) for other in others]
    decided = iter(decide([one for one in found if one]))
    return [next(decided) if one else None for one in found]


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
    for one, apart in zip(scores[1:], differences, strict=True):
        one["less_first"] = apart and dataclasses.asdict(apart)
    return {
        "policies": scores,
        "paper": [{name: getattr(row, name) for name in row.__struct_fields__} for row in rows],
        "seed": question.seed,
        "trials": counts[0],
        "greedy": question.greedy,
        "goal_timeout_s": settings.goal_timeout_s,
        "goals": settings.goals,
    }


def _tables(
    named: Sequence[tuple[str, dict[str, Any]]], rows: Sequence[Goals], differences: Sequence[Difference | None]
) -> list[Table]:
    ends = ("drop", "timeout", "full", "error")
    headings = ("goals in a row", "mean ± std", "median", f"{LEVEL:.0%} interval", "s/goal", *ends)
    table = [
        (
            name,
            _spread(one["mean"], one["std"]),
            one["median"],
            _range(one["interval"]),
            None if one["time_per_goal_s"] is None else round(one["time_per_goal_s"], 2),
            *(one["ends"][end] for end in ends),
        )
        for name, one in named
    ]
    nothing = (None,) * (2 + len(ends))
    table += [(paper_label(row), _spread(row.mean, row.std), row.median, *nothing) for row in rows]
    sorted_trials = [(name, shortened(one["trials"])) for name, one in named]
    sorted_trials += [(paper_label(row), shortened(row.trials)) for row in rows if row.trials]
    tables = [Table(headings, table), Table(("", "sorted trials"), sorted_trials)]
    if differences:
        apart = [
            (name, one and round(one.mean, 2), _range(one and one.interval), one and round(one.p, 4), _verdict(one))
            for (name, _), one in zip(named[1:], differences, strict=True)
        ]
        tables.append(Table((f"less {named[0][0]}", "mean", f"{LEVEL:.0%} interval", "p", ""), apart))
    return tables


def paper_label(row: Goals) -> str:
    """How a row of the paper is called beside ours."""
    return f"paper, {row.source}, {row.place}: {row.label}"


def _spread(mean: float | None, std: float | None) -> str | None:
    if mean is None:
        return None
    return f"{mean:.2f}" if std is None else f"{mean:.2f} ± {std:.2f}"


def _range(bounds: tuple[float, float] | None) -> str | None:
    return bounds and f"{bounds[0]:.2f} .. {bounds[1]:.2f}"


def _verdict(one: Difference | None) -> str:
    return one.verdict if one else "undecided"

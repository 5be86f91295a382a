"""What policies remember of the physics they are in: a probe of each, shown as a table or a document."""

from __future__ import annotations

from typing import Any

from dexctl.console.evaluation.contenders import Contender, open_contenders
from dexctl.console.evaluation.question import Question
from dexctl.console.output import Output, Table
from dexctl.console.progress import Progress
from dexctl.console.signals import Signals
from dexctl.errors import DataError, UsageError
from dexctl.evaluate.comparison import difference
from dexctl.evaluate.memory import Probe, Samples, gather, probe
from dexctl.evaluate.paper import results

# Chosen: an accuracy of 80% is then known to 2.5%.
_TRIALS = 1000
_FEWEST = 40
_AGAINST = "observations"


def run(question: Question, output: Output, dry_run: bool) -> None:
    """Plays trials for 5 s and probes what each policy carries then.

    Raises:
        UsageError: a policy without a network, a profile that randomizes no size, mass or friction, too few trials.
        DataError: too few trials lasted so long.
        Stopped: a signal.
    """
    contenders = open_contenders(question)
    for contender in contenders:
        _check(contender)
    count = question.trials or _TRIALS
    if count < _FEWEST:
        raise UsageError(f"--trials {count} are too few for a probe", f"Give at least {_FEWEST}.")
    if dry_run:
        return
    paper = results().memory
    scores = []
    with Signals() as signals, Progress("memory", quiet=output.quiet) as progress:
        for contender in contenders:

            def on_batch(done: int, name: str = contender.name) -> None:
                signals.raise_if_stopped()
                progress.update({name: f"{done} of {count} trials"})

            actor = contender.policy.actor
            assert actor is not None
            samples = gather(contender.policy.profile, actor, count, question.seed, paper.seconds, on_batch)
            scores.append(_score(contender, samples))
    document = {"policies": scores, "trials": count, "seed": question.seed, "seconds": paper.seconds}
    document["paper"] = {"size": paper.larger_or_smaller_accuracy, "source": paper.source}
    output.show(document, _table(scores, paper.larger_or_smaller_accuracy, paper.source))


def _check(contender: Contender) -> None:
    if contender.policy.actor is None:
        raise UsageError(f"--policy {contender.name} has nothing to probe", "Give a trained policy.")
    if not contender.policy.profile.randomize.physics.on:
        raise UsageError(
            f"{contender.profile} randomizes no physics, so there is nothing to tell apart",
            "Give --profile ablation/all, or another with randomize.physics.on.",
        )


def _score(contender: Contender, samples: Samples) -> dict[str, Any]:
    played = len(samples.features[_AGAINST])
    if played < _FEWEST:
        raise DataError(
            f"{contender.name}: {samples.dropped} of {played + samples.dropped} trials ended before they were probed",
            "Give more --trials, or a policy that holds the object.",
        )
    if not samples.physics:
        raise UsageError(
            f"{contender.profile} randomizes neither size nor mass nor friction", "Give --profile ablation/all."
        )
    probes = {
        feature: {physics: probe(carried, values) for physics, values in samples.physics.items()}
        for feature, carried in samples.features.items()
    }
    return {
        "name": contender.name,
        "profile": contender.profile,
        "samples": played,
        "dropped": samples.dropped,
        "probes": {
            feature: {physics: _told(one, probes[_AGAINST][physics]) for physics, one in by_physics.items()}
            for feature, by_physics in probes.items()
        },
    }


def _told(one: Probe, against: Probe) -> dict[str, Any]:
    apart = difference([float(right) for right in one.correct], [float(right) for right in against.correct])
    assert apart is not None
    return {
        "accuracy": one.accuracy,
        "interval": one.interval,
        "over_observations": {"mean": apart.mean, "interval": apart.interval, "p": apart.p},
    }


def _table(scores: list[dict[str, Any]], paper_accuracy: float, source: str) -> Table:
    names = list(scores[0]["probes"][_AGAINST])
    rows: list[tuple[str | int | None, ...]] = [
        (one["name"], feature, *(_share(probes.get(name)) for name in names), one["samples"], one["dropped"])
        for one in scores
        for feature, probes in one["probes"].items()
    ]
    rows.append(
        (
            f"paper, {source}",
            "memory",
            *(f"{paper_accuracy:.0%}" if name == "size" else None for name in names),
            None,
            None,
        )
    )
    title = "above or below average, held out: accuracy and 95% interval"
    return Table(("policy", "told from", *names, "samples", "dropped before"), rows, title)


def _share(told: dict[str, Any] | None) -> str | None:
    if told is None:
        return None
    return f"{told['accuracy']:.1%} ({told['interval'][0]:.1%} .. {told['interval'][1]:.1%})"

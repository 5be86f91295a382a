"""One ``dexctl simulate --samples``: what randomization drew, as a document, a table and a figure."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import msgspec
from torch import Tensor

from dexctl.console.output import Output, Table
from dexctl.profile import schema
from dexctl.profile.load import digest
from dexctl.profile.write import toml_value
from dexctl.randomize.sampled import Sampled
from dexctl.rollout.samples import draw_samples
from dexctl.rollout.samples_figure import draw_samples_figure
from dexctl.store.whole_file import write_whole
from dexctl.vision.samples import draw_picture_samples

_QUANTILES = (0.05, 0.5, 0.95)
# Digits of each number in the document: enough for any test of a distribution.
_DIGITS = 7


@dataclasses.dataclass(frozen=True)
class SamplesPlan:
    """What was asked for; see the options of ``dexctl simulate``.

    Attributes:
        name: of the profile, or of the policy whose profile it is.
    """

    name: str
    profile: schema.Profile
    count: int
    seed: int
    plot: Path | None


def run_samples(plan: SamplesPlan, output: Output) -> None:
    """Draws, tells, and plots.

    Raises:
        InputOutputError: the figure cannot be written.
    """
    samples = draw_samples(plan.profile, plan.count, plan.seed)
    samples += draw_picture_samples(plan.profile, plan.count, plan.seed)
    if plan.plot:
        title = f"{plan.name}: what {plan.count:,} episodes and pictures drew, under what the profile states"
        write_whole(plan.plot, draw_samples_figure(samples, title, plan.plot.suffix.lower()))
        output.made(plan.plot)
    document = {
        "profile": plan.name,
        "digest": digest(plan.profile),
        "samples": plan.count,
        "seed": plan.seed,
        "drawn": [_document(one) for one in samples],
    }
    output.show(document, _table(samples))


def _document(one: Sampled) -> dict[str, Any]:
    return {
        "key": one.key,
        "per": one.per,
        "each": one.each or None,
        "unit": one.unit or None,
        "stated": msgspec.to_builtins(one.stated),
        "chance": one.chance,
        **_summary(one.drawn),
        "values": [[float(f"{number:.{_DIGITS}g}") for number in row] for row in one.drawn.tolist()],
    }


def _summary(drawn: Tensor) -> dict[str, float | int | None]:
    numbers = drawn.flatten()
    names = ("least", "quantile_5", "median", "quantile_95", "most")
    if not len(numbers):
        return {"count": 0, "mean": None, "std": None, **dict.fromkeys(names)}
    ordered = numbers.sort().values
    at = [round(share * (len(ordered) - 1)) for share in (0.0, *_QUANTILES, 1.0)]
    ends = dict(zip(names, ordered[at].tolist(), strict=True))
    # Equal numbers leave a spread of rounding.
    spread = 0.0 if ends["least"] == ends["most"] else float(numbers.std())
    return {"count": len(numbers), "mean": float(numbers.mean()), "std": spread, **ends}


def _table(samples: list[Sampled]) -> Table:
    rows = []
    for one in samples:
        summary = _summary(one.drawn)
        each = f"{one.per}, {one.each}" if one.each else one.per
        stated = toml_value(msgspec.to_builtins(one.stated))
        told = [summary[name] for name in ("count", "mean", "std", "least", "most")]
        rows.append((one.key.removeprefix("randomize."), each, stated, *told))
    return Table(("randomize.", "for each", "stated", "numbers", "mean", "std", "least", "most"), rows)

"""The pose estimator scored on pictures that it never learned from, renderer by renderer."""

from __future__ import annotations

from typing import Any

from dexctl.console.beforehand import check_output
from dexctl.console.evaluation.question import Question
from dexctl.console.output import Output, Table
from dexctl.console.progress import Progress
from dexctl.console.signals import Signals
from dexctl.evaluate.pose_errors import PoseErrors, measure, open_images
from dexctl.policy import checkpoint
from dexctl.vision.estimator import Estimator
from dexctl.vision.opening import locate_estimator

_WORST = 12


def run(question: Question, output: Output, dry_run: bool) -> None:
    """Estimates every picture and shows the errors.

    Raises:
        MissingError, DataError, ProtocolError: the estimator or a dataset is missing, damaged, or does not fit.
        UsageError, CreateError: the picture of the worst cannot be made.
        Stopped: a signal; nothing is shown.
    """
    assert question.vision is not None
    saved = checkpoint.read(locate_estimator(question.vision))
    estimator = Estimator.open(saved)
    datasets = [open_images(path, estimator.profile) for path in question.images]
    if question.worst is not None:
        check_output(question.worst, ".png")
    if dry_run:
        return
    found: list[PoseErrors] = []
    with Signals() as signals, Progress("evaluate", quiet=output.quiet) as progress:
        for images in datasets:
            progress.update({"images": str(images.path), "states": len(images)})
            found.append(measure(estimator, images, stop=lambda: signals.stopped_by is not None))
            signals.raise_if_stopped()
        if question.worst is not None:
            from dexctl.evaluate.pose_picture import draw_poses, worst_rows

            hardest = max(range(len(found)), key=lambda index: found[index].rotation_deg.max())
            rows = worst_rows(found[hardest], _WORST)
            draw_poses(datasets[hardest], estimator.profile, found[hardest], rows, question.worst)
            output.made(question.worst)
    documents = [errors.document() for errors in found]
    progress_made = saved.header.progress
    document = {
        "vision": question.vision,
        "states_learned": progress_made.steps,
        "batches": progress_made.version,
        "trained_s": progress_made.seconds,
        "images": documents,
    }
    output.show(document, _table(documents))


def _table(documents: list[dict[str, Any]]) -> Table:
    headings = ("images", "renderer", "states", "rotation, deg", "median", "95%", "position, mm", "median", "95%")
    rows = [
        (one["images"], one["renderer"], one["states"], *_cells(one["rotation_deg"]), *_cells(one["position_mm"]))
        for one in documents
    ]
    return Table(headings, rows, "mean ± standard deviation, median, 95th percentile")


def _cells(summary: dict[str, float | None]) -> tuple[str, float | None, float | None]:
    spread = "" if summary["std"] is None else f" ± {summary['std']:.2f}"
    median, percentile = (
        None if value is None else round(value, 2) for value in (summary["median"], summary["percentile_95"])
    )
    return f"{summary['mean']:.2f}{spread}", median, percentile

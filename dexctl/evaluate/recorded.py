"""Trials that were recorded on a robot, scored like those of a simulation."""

from __future__ import annotations

import numpy as np

from dexctl.errors import DataError
from dexctl.evaluate.trials import Trial
from dexctl.reorient.rules import End
from dexctl.store.recordings import Recording

_NEEDED = ("trial", "step", "reached", "end")


def recorded_trials(recording: Recording) -> list[Trial]:
    """The trials of a recording, in order; one that broke off ends with ``error``.

    Raises:
        DataError: it holds no trial, or ends that do not exist.
    """
    rows = recording.read(0, len(recording), _NEEDED)
    period_s = recording.metadata.period_s
    trials = []
    for index in np.unique(rows["trial"]).tolist():
        of_trial = rows["trial"] == index
        steps, reached = rows["step"][of_trial], np.flatnonzero(rows["reached"][of_trial])
        last = int(rows["end"][of_trial][-1])
        try:
            end = End(last)
        except ValueError as error:
            raise DataError(f"{recording.path}: trial {index} ends with {last}, which is no end") from error
        announced = np.concatenate(([0], reached[:-1] + 1)) if len(reached) else np.zeros(0, int)
        trials.append(
            Trial(
                index=index,
                goals=len(reached),
                end=(End.ERROR if end == End.RUNNING else end).name.lower(),
                seconds=len(steps) * period_s,
                goal_seconds=tuple(((reached + 1 - announced) * period_s).tolist()),
            )
        )
    if not trials:
        raise DataError(f"{recording.path}: a recording without a whole step")
    return trials

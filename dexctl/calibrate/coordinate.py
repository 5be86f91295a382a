"""Coordinate descent, as the paper calibrated: one number after the other, what helps is kept (appendix C.3)."""

from __future__ import annotations

import numpy as np

from dexctl.calibrate.least_squares import Each
from dexctl.calibrate.problem import Problem


def coordinate_descent(problem: Problem, vector: np.ndarray, each: Each, seed: int) -> tuple[np.ndarray, bool]:
    """Fits one finger: the angles' error at the windows' ends, all probes of a number in one batch.

    Args:
        vector: (P,) where to begin.
        each: told of every sweep.
        seed: of the order of the numbers, drawn anew for each sweep.

    Returns:
        The best vector (P,), and whether a last sweep gained less than the profile's share.
    """
    settings, layout = problem.settings, problem.layout
    rng = np.random.default_rng(seed)
    steps = np.concatenate((settings.probes, np.negative(settings.probes)))
    vector = vector.copy()
    error = float(problem.at_end(vector[None])[0])
    for _ in range(settings.sweeps):
        before = error
        for index in rng.permutation(len(layout)):
            probes = np.repeat(vector[None], len(steps), axis=0)
            probes[:, index] = np.clip(probes[:, index] + steps, layout.low[index], layout.high[index])
            errors = problem.at_end(probes)
            best = int(errors.argmin())
            if errors[best] < error * (1.0 - settings.least_gain):
                vector, error = probes[best], float(errors[best])
        if not each(vector, error):
            return vector, False
        if error > before * (1.0 - settings.least_gain):
            return vector, True
    return vector, False

"""How sure a fit is of each parameter.

The expected spread of a parameter and the recording are weighed against each other, as in Bayes'
rule for a linear model. Errors within one window go together, since it is replayed from its first
moment alone: all of a window's moments count as one. The spread of the windows' pulls on a parameter
is looked at too (the sandwich estimate), and the larger of both is taken.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from dexctl.calibrate.least_squares import DIFFERENCE
from dexctl.calibrate.problem import Problem

# Two-sided 95% of a normal distribution.
_WIDTH = 1.959964


@dataclasses.dataclass(frozen=True)
class Confidence:
    """What is known of P parameters, in the profile's units.

    Attributes:
        low, high: (P,) ends of the 95% interval.
        deviation: (P,) standard error, as a share of the parameter's spread.
        determined: (P,) whether that is small enough to speak of a measurement.
    """

    low: np.ndarray
    high: np.ndarray
    deviation: np.ndarray
    determined: np.ndarray


def confidence(problem: Problem, vector: np.ndarray) -> Confidence:
    """The confidence in a fitted vector (P,)."""
    errors, slopes = problem.jacobian(vector, DIFFERENCE)
    scale = problem.rms(vector)
    num_parameters, num_windows, num_steps = slopes.shape[:3]
    slope = (slopes / scale).reshape(num_parameters, num_windows, -1)
    error = (errors / scale).reshape(num_windows, -1)
    information, expected = np.einsum("pwr,qwr->pq", slope, slope), np.eye(num_parameters)
    covariance = np.linalg.inv(information + expected)
    of_windows = np.linalg.inv(information / num_steps + expected)
    pulls = np.einsum("pwr,wr->pw", slope, error)
    # Windows are few: the usual correction for as many parameters as they have to determine.
    few = num_windows / max(1.0, num_windows - 1.0)
    sandwich = covariance @ (few * pulls @ pulls.T + expected) @ covariance
    deviation = np.sqrt(np.maximum(np.diag(of_windows), np.diag(sandwich)))
    layout = problem.layout
    ends = [np.clip(vector + sign * _WIDTH * deviation, layout.low, layout.high) for sign in (-1.0, 1.0)]
    low, high = np.sort([layout.values(end) for end in ends], axis=0)
    return Confidence(low, high, deviation, deviation <= problem.settings.determined)

"""Bounded least squares over all moments of all windows, by MuJoCo's own Gauss-Newton method.

What the recording says nothing of stays near the start: each parameter's distance from it, in its
expected spread, counts like one error of the size that the joint mostly has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from mujoco import minimize

from dexctl.calibrate.problem import Problem

# First all joints count alike, and steps that gain less than a fiftieth are left to the second round, in which
# each joint counts by how well it can be matched.
_COARSE_RAD = 0.02
_COARSE_GAIN = 0.02
DIFFERENCE = 1e-3
# Chosen: a joint whose errors are so many times what its sensor resolves is not matched yet.
_MATCHED = 1.5
# Called with the newest vector after each iteration; False ends the fit.
Each = Callable[[np.ndarray, float], bool]
Elsewhere = Callable[[np.ndarray, int], np.ndarray]


class _EndError(Exception):
    """Ends the solver from its callback, which has no other way."""


class _Round:
    """One run of the solver: errors in units of ``scale_rad`` (F,), until a step gains less than ``least_gain``."""

    def __init__(self, problem: Problem, scale_rad: np.ndarray, least_gain: float, each: Each) -> None:
        self._problem, self._scale, self._least_gain, self._each = problem, scale_rad, least_gain, each
        self._at_end = np.inf
        self.vector, self.best = np.empty(0), np.inf
        self.converged = self.stopped = False
        # What is left when every joint is matched as well as its sensor can tell.
        num_steps = self._problem.error.num_steps
        within = self._problem.settings.sensor_rad / scale_rad
        self._resolved = 0.5 * num_steps * float((problem.error.usable.sum(axis=0) * within**2).sum())

    def residual(self, columns: np.ndarray) -> np.ndarray:
        """(P, B) to (R, B), the form that the solver wants."""
        vectors = np.ascontiguousarray(columns.T)
        errors_rad = self._problem.errors(vectors)
        errors = (errors_rad / self._scale).reshape(len(vectors), -1)
        found = np.concatenate((errors, vectors), axis=1)
        if len(vectors) == 1:
            cost = 0.5 * float(np.square(found[0]).sum())
            if cost < self.best:
                self.vector, self.best = vectors[0].copy(), cost
                self._at_end = self._problem.mean_square_at_end(errors_rad)[0]
        return found.T

    def iterated(self, trace: list[minimize.IterLog]) -> None:
        """Ends the run when an iteration gained less than its share, or somebody wants it to end."""
        last = trace[-1]
        gained = float(last.reduction) / max(float(last.objective), self._resolved)
        if not self._each(self.vector, self._at_end):
            self.stopped = True
            raise _EndError
        if gained < self._least_gain:
            self.converged = True
            raise _EndError

    def run(self, vector: np.ndarray) -> None:
        """Minimises from a vector (P,)."""
        layout = self._problem.layout
        # A bound that is met from the start leaves no room for the solver.
        low, high = layout.low - 1e-9, layout.high + 1e-9
        try:
            minimize.least_squares(
                vector,
                self.residual,
                bounds=(low, high),
                eps=np.float64(DIFFERENCE),
                max_iter=self._problem.settings.sweeps,
                verbose=minimize.Verbosity.SILENT,
                iter_callback=self.iterated,
            )
            self.converged = True
        except _EndError:
            pass


def least_squares(
    problem: Problem, beginnings: Sequence[np.ndarray], each: Each, elsewhere: Elsewhere | None = None
) -> tuple[np.ndarray, bool]:
    """Fits one finger.

    Args:
        beginnings: (P,) each; the best of what each leads to is gone on with.
        each: told of every iteration.
        elsewhere: for a vector (P,) and a joint that it does not match, another to begin at; None tries no other.

    Returns:
        The best vector (P,), and whether it converged.
    """
    coarse = np.full(problem.error.usable.shape[1], _COARSE_RAD)
    tried = []
    for vector in beginnings:
        tried.append(_Round(problem, coarse, _COARSE_GAIN, each))
        tried[-1].run(vector)
        if tried[-1].stopped:
            break
    first = min(tried, key=lambda one: one.best)
    if tried[-1].stopped or not first.converged:
        return first.vector, False
    second = _Round(problem, problem.rms(first.vector), problem.settings.least_gain, each)
    second.run(first.vector)
    if elsewhere and second.converged:
        second = _tried_again(problem, second, each, elsewhere)
    return second.vector, second.converged and not second.stopped


def _tried_again(problem: Problem, found: _Round, each: Each, elsewhere: Elsewhere) -> _Round:
    """The best of what is found when each joint that is not matched begins elsewhere, the worst first."""
    matched_rad, least_gain = _MATCHED * problem.settings.sensor_rad, problem.settings.least_gain
    for joint in np.argsort(-problem.rms(found.vector)):
        scale = problem.rms(found.vector)
        if scale[joint] <= matched_rad:
            continue
        # Costs are comparable in the same units alone.
        here, there = (_Round(problem, scale, least_gain, each) for _ in range(2))
        here.residual(found.vector[:, None])
        there.run(elsewhere(found.vector, int(joint)))
        if there.stopped:
            found.stopped = True
            return found
        if there.best < here.best:
            found = there
    return found

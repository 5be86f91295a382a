"""A hand fitted to a recording, finger by finger."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from dexctl.calibrate.confidence import Confidence, confidence
from dexctl.calibrate.coordinate import coordinate_descent
from dexctl.calibrate.fingers import Finger
from dexctl.calibrate.least_squares import least_squares
from dexctl.calibrate.parameters import HandNumbers, Layout, Parameter, numbers_of, write
from dexctl.calibrate.problem import Problem
from dexctl.calibrate.replay import Motion, Replay
from dexctl.calibrate.residuals import FingerError
from dexctl.calibrate.windows import Windows
from dexctl.profile import schema
from dexctl.scene import names

Method = Literal["least-squares", "coordinate"]
# At most so many simulations in a batch: enough for every core, few enough for its caches.
_BATCH = 512
# Where the search for a force limit begins: a share of the torque that a full action asks for. From a limit that
# is never met no direction leads down again.
_MET = 0.7
# Chosen: a spring that can be felt, in the spread of a joint's stiffness.
_SPRING = 0.5
# Another beginning: tendons so tight, ln of 1/s, that a full action loses a twentieth of a step at most. From the
# slack of a worn hand none leads to a new one, as little as the other way round.
_TIGHT_LOG = 6.0


@dataclasses.dataclass(frozen=True)
class FingerFit:
    """What became of one finger.

    Attributes:
        parameters: P of them; vector: (P,) what was found; values: (P,) in the profile's units; before: (P,) likewise.
        confidence: None when it was not fitted.
        converged: it was fitted to its end.
        windows: how many the fit saw.
    """

    finger: str
    parameters: Sequence[Parameter]
    vector: np.ndarray
    values: np.ndarray
    before: np.ndarray
    confidence: Confidence | None
    converged: bool
    windows: int


@dataclasses.dataclass(frozen=True)
class Told:
    """Where a running fit is.

    Attributes:
        error_rad: root mean square at the windows' ends, of those that the fit sees.
        iterations: of this finger.
    """

    finger: str
    vector: np.ndarray
    error_rad: float
    iterations: int


Tell = Callable[[Told], bool]


@dataclasses.dataclass(frozen=True)
class Task:
    """What is fitted to what.

    Attributes:
        profile: the hand to begin with, its physics, and how to calibrate.
        kinds: of numbers that may move.
        parts: fingers that are fitted.
        begun: vectors of an earlier, interrupted fit, by finger; done: of those, the ones that came to an end,
            and whether they converged.
        on_done: told of each finger that came to its end.
    """

    profile: schema.Profile
    settings: schema.Calibrate
    motion: Motion
    windows: Windows
    method: Method
    kinds: Sequence[str]
    parts: Sequence[Finger]
    seed: int = 0
    begun: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    done: Mapping[str, bool] = dataclasses.field(default_factory=dict)
    on_done: Callable[[str, np.ndarray, bool], None] = lambda finger, vector, converged: None


def fit(task: Task, tell: Tell) -> list[FingerFit]:
    """Fits every finger that has enough windows.

    Args:
        tell: told of every iteration; False stops the whole fit.

    Returns:
        One for each finger; shorter when it was stopped.
    """
    found: list[FingerFit] = []
    start = numbers_of(task.profile.hand)
    for part in task.parts:
        layout = Layout(start, task.settings, task.kinds, [part])
        which = task.windows.of(part, held_out=False)
        if len(which) + len(task.windows.of(part, held_out=True)) < task.settings.least_windows:
            found.append(_unfitted(part, layout, start, len(which)))
            continue
        batch = min(_BATCH, (len(layout) + 1) * len(which))
        replay = Replay(task.profile, batch, part.name)
        error = FingerError(replay, task.motion, task.windows, part, which)
        problem = Problem(layout, error, task.settings)
        listener = _Listener(part.name, tell)
        reached = {names.JOINTS[joint]: ends for joint, *ends in zip(part.joints, *error.reached(), strict=True)}
        begun, beginnings = task.begun.get(part.name), _beginnings(task.profile, layout, reached)
        if begun is not None and part.name in task.done:
            vector, converged = begun, task.done[part.name]
        elif task.method == "least-squares":
            vectors = beginnings if begun is None else [begun, *beginnings]
            elsewhere = _Elsewhere(layout, beginnings[0], [names.JOINTS[joint] for joint in part.joints])
            vector, converged = least_squares(problem, vectors, listener, elsewhere)
        else:
            vector, converged = coordinate_descent(
                problem, beginnings[0] if begun is None else begun, listener, task.seed
            )
        if listener.stopped:
            return found
        task.on_done(part.name, vector, converged)
        sure = confidence(problem, vector)
        before = layout.read(start)[0]
        found.append(
            FingerFit(part.name, layout.parameters, vector, layout.values(vector), before, sure, converged, len(which))
        )
    return found


def fitted_hand(hand: HandNumbers, fits: Sequence[FingerFit]) -> HandNumbers:
    """The hand (B = 1) with what the fits found written into it."""
    for one in fits:
        hand = write(hand, one.parameters, one.values)
    return hand


class _Listener:
    """Counts a finger's iterations on their way to whoever wants to know."""

    def __init__(self, finger: str, tell: Tell) -> None:
        self._finger, self._tell, self._count = finger, tell, 0
        self.stopped = False

    def __call__(self, vector: np.ndarray, mean_square: float) -> bool:
        self._count += 1
        self.stopped = not self._tell(Told(self._finger, vector, float(np.sqrt(mean_square)), self._count))
        return not self.stopped


def _unfitted(part: Finger, layout: Layout, start: HandNumbers, windows: int) -> FingerFit:
    values = layout.read(start)[0]
    return FingerFit(part.name, layout.parameters, np.zeros(len(layout)), values, values, None, False, windows)


def _beginnings(profile: schema.Profile, layout: Layout, reached: Mapping[str, Sequence[float]]) -> list[np.ndarray]:
    """The hand itself, with limits that its motion meets; and, where it has backlash, the same without.

    Args:
        reached: lowest and highest angle by joint, rad.
    """
    values = layout.values(np.zeros(len(layout)))
    for index, (kind, owner) in enumerate(layout.parameters):
        # A limit that the simulated hand never meets has no slope: nothing would say that the true one is nearer.
        if kind == "lower_limit" and np.isfinite(reached[owner][0]):
            values[index] = reached[owner][0]
        if kind == "upper_limit" and np.isfinite(reached[owner][1]):
            values[index] = reached[owner][1]
        if kind == "force_limit":
            actuator = profile.hand.actuators[owner]
            low, high = actuator.control_range_rad
            full = actuator.gain * 0.5 * profile.action.range_fraction * (high - low)
            values[index] = min(values[index], _MET * full)
    slack = np.array([kind.startswith("backlash") for kind, _ in layout.parameters], dtype=bool)
    tight = np.where(slack, np.maximum(values, _TIGHT_LOG), values)
    different = [values] if np.array_equal(tight, values) else [values, tight]
    return [np.clip(layout.vector(one), layout.low, layout.high) for one in different]


class _Elsewhere:
    """Where the fit of a joint, and of its motor, begins anew: at its beginning, and with a spring.

    Where a spring has no stiffness its equilibrium has no slope, and the wrong one keeps the stiffness at nothing.
    """

    def __init__(self, layout: Layout, beginning: np.ndarray, joints: Sequence[str]) -> None:
        self._layout, self._beginning, self._joints = layout, beginning, joints

    def __call__(self, vector: np.ndarray, joint: int) -> np.ndarray:
        """Another beginning (P,) for a vector (P,) and one of the finger's joints."""
        begun = vector.copy()
        for index, (kind, owner) in enumerate(self._layout.parameters):
            if owner.endswith(self._joints[joint]):
                begun[index] = self._beginning[index]
                if kind == "stiffness":
                    begun[index] = max(begun[index], _SPRING)
        return np.clip(begun, self._layout.low, self._layout.high)

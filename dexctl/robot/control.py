"""The control loop: read, choose, command, at an absolute rhythm, one trial after the other (appendix B.4)."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from dexctl.errors import DexctlError, SafetyStop
from dexctl.reorient.observation import Sensed, fingertips_in_frame
from dexctl.reorient.rules import End
from dexctl.robot.placing import Placing
from dexctl.robot.protocol import Reading, Robot, Sent
from dexctl.robot.safety import Guard
from dexctl.robot.sensed import PoseEstimator, sensed_of, with_estimate
from dexctl.robot.trial import Choice, Judgement, Trial, trial_key

# A step that begins later than this is late.
LATE_S = 0.01
# A wait that ended so much before its time was cut short by a signal.
_EARLY_S = 0.002
# Without motion, so many steps show whether everything else works.
_REHEARSAL_STEPS = 50


@dataclasses.dataclass(frozen=True)
class Step:
    """One control step, as it is recorded.

    Attributes:
        time_s: when it began, since the session's start.
        reading: as the robot gave it; told: the same as the policy was told it.
        fingertip_positions_m: (15,) in the frame of the base's markers.
        goal_wxyz: (4,) that held; judgement: of what the step led to.
        choice: of the policy; sent: what became of it.
        latency_s: from the question for the reading to the command's answer; late_s: begun behind the clock.
    """

    time_s: float
    trial: int
    index: int
    reading: Reading
    told: Reading
    fingertip_positions_m: np.ndarray
    goal_wxyz: np.ndarray
    judgement: Judgement
    choice: Choice
    sent: Sent
    latency_s: float
    late_s: float


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A trial that ended.

    Attributes:
        end: name of an ``End``; ``error`` when it was stopped.
        seconds: on the robot's clock; goal_seconds: from each reached goal's announcing to its reaching.
        late: steps that began late; refused: commands that came too late to be executed.
        hits: steps in which a limit was hit.
    """

    index: int
    goals: int
    end: str
    seconds: float
    goal_seconds: tuple[float, ...]
    late: int
    refused: int
    hits: int


@dataclasses.dataclass
class Clocks:
    """Where the time of the control steps went.

    Attributes:
        latency_s: of each step, from its reading to the command's answer.
        late: steps begun late; refused: commands that came too late; worst_late_s: the latest begin.
    """

    latency_s: list[float] = dataclasses.field(default_factory=list)
    late: int = 0
    refused: int = 0
    worst_late_s: float = 0.0

    def note(self, latency_s: float, late_s: float, executed: bool) -> None:
        """Takes one step."""
        self.latency_s.append(latency_s)
        self.late += late_s > LATE_S
        self.refused += not executed
        self.worst_late_s = max(self.worst_late_s, late_s)


@dataclasses.dataclass(frozen=True)
class _Moment:
    """A reading, and what follows from it: what the policy is told, and what goals are judged by."""

    asked_s: float
    reading: Reading
    told: Reading
    sensed: Sensed
    judged: Sensed
    actuator_angles: Tensor


@dataclasses.dataclass(frozen=True)
class _UnderWay:
    """A step whose end is not known yet; see ``Step``."""

    trial: int
    index: int
    goal_wxyz: np.ndarray
    moment: _Moment
    choice: Choice
    late_s: float


class Controller:
    """Runs trials on a robot that is connected.

    Attributes:
        clocks: of all trials so far.
    """

    def __init__(
        self,
        robot: Robot,
        trial: Trial,
        guard: Guard,
        seed: int,
        placing: Placing | None,
        estimator: PoseEstimator | None = None,
        images: bool = False,
        on_step: Callable[[Step], None] = lambda step: None,
        stop: Callable[[], bool] = lambda: False,
        await_object: Callable[[int, Callable[[], Reading]], None] = lambda trial, look: None,
        between: Callable[[], None] = lambda: None,
    ) -> None:
        """Prepares.

        Args:
            placing: of a simulated robot; None where a person puts the object into the hand.
            images: record pictures, also where no estimator wants them.
            stop: asked in every step; when true, the trial ends as stopped.
            await_object: called before a trial where a person places the object, with what looks at it; returns
                when that is done, or to be done no more.
            between: called before each trial, while nothing moves.
        """
        self.clocks = Clocks()
        self._robot, self._trial, self._guard, self._seed = robot, trial, guard, seed
        self._placing, self._estimator, self._images = placing, estimator, images
        self._on_step, self._stop, self._await_object = on_step, stop, await_object
        self._between = between
        self._started_s = time.monotonic()

    def run(self, count: int, armed: bool) -> Iterator[Outcome]:
        """Runs trials one after the other; the robot is stopped after each, and whatever happens.

        Args:
            armed: otherwise everything but motion: one trial is stepped through, and nothing is sent.

        Raises:
            SafetyStop: the robot was stopped to protect it, whatever went wrong; the trial's outcome was given before.
        """
        for index in range(count if armed else 1):
            failure: SafetyStop | None = None
            reason, end = "the trial is over", End.ERROR
            before = (self.clocks.late, self.clocks.refused)
            self._guard.begin()
            self._trial.reset()
            try:
                end = self._run_one(index, armed)
            except Exception as error:
                failure = _as_stop(error)
                reason = str(failure)
            except BaseException as error:
                reason = f"{type(error).__name__}: {error}"
                raise
            finally:
                self._robot.stop(reason)
            yield Outcome(
                index=index,
                goals=self._trial.goals,
                end=end.name.lower(),
                seconds=self._trial.seconds,
                goal_seconds=tuple(self._trial.goal_seconds),
                late=self.clocks.late - before[0],
                refused=self.clocks.refused - before[1],
                hits=self._guard.hits,
            )
            if failure:
                raise failure
            if self._stop():
                return

    def _run_one(self, index: int, armed: bool) -> End:
        robot, trial, clocks = self._robot, self._trial, self.clocks
        key = trial_key(self._seed, index)
        if armed:
            self._prepare(index, key)
            if self._stop():
                # Whoever asked to stop while the object was placed wants no motion after it.
                return End.ERROR
            robot.arm()
        moment = self._look(armed)
        trial.begin(key, moment.judged, moment.reading.time_s)
        due_s, late_s, end = moment.reading.time_s, 0.0, End.RUNNING
        while end == End.RUNNING and not self._stop() and (armed or trial.steps < _REHEARSAL_STEPS):
            choice = trial.choose(moment.sensed, moment.actuator_angles)
            under_way = _UnderWay(index, trial.steps, trial.goal[0].numpy().copy(), moment, choice, late_s)
            change = choice.change_rad[0].numpy()
            sent = _nothing_sent(change, moment.reading)
            try:
                if armed:
                    sent = robot.act(change, moment.reading.time_s)
                latency_s = time.monotonic() - moment.asked_s
                clocks.note(latency_s, late_s, sent.executed or not armed)
                due_s += trial.period_s
                now_s = robot.wait_until(due_s)
                if due_s - now_s > _EARLY_S and not self._stop():
                    now_s = robot.wait_until(due_s)
                late_s = max(0.0, now_s - due_s)
                if late_s > trial.period_s:
                    # A missed step is not made up for: the rhythm begins anew.
                    due_s = now_s
                following = self._look(armed)
            except BaseException:
                # What was commanded last is what one wants to know after a stop.
                self._record(under_way, sent, trial.broken_off(moment.judged), time.monotonic() - moment.asked_s)
                raise
            judgement = trial.judge(following.judged, following.reading.time_s)
            self._record(under_way, sent, judgement, latency_s)
            moment, end = following, judgement.end
        return End.ERROR if end == End.RUNNING else end

    def _record(self, step: _UnderWay, sent: Sent, judgement: Judgement, latency_s: float) -> None:
        moment = step.moment
        self._on_step(
            Step(
                time_s=moment.asked_s - self._started_s,
                trial=step.trial,
                index=step.index,
                reading=moment.reading,
                told=moment.told,
                fingertip_positions_m=fingertips_in_frame(moment.sensed.tips, moment.sensed.base)[0].numpy(),
                goal_wxyz=step.goal_wxyz,
                judgement=judgement,
                choice=step.choice,
                sent=sent,
                latency_s=latency_s,
                late_s=step.late_s,
            )
        )

    def _prepare(self, index: int, key: Tensor) -> None:
        if self._placing is not None:
            self._robot.place(self._placing.state(key))
        else:
            self._await_object(index, self._glance)
        self._between()

    def _glance(self) -> Reading:
        """A reading as the policy would be told it."""
        reading = self._robot.observe(self._images or self._estimator is not None)
        if self._estimator is None:
            return reading
        return with_estimate(reading, self._robot.features.cameras, self._estimator)

    def _look(self, armed: bool) -> _Moment:
        """Reads the robot and checks that it may go on.

        Raises:
            SafetyStop: it may not.
        """
        asked_s = time.monotonic()
        features = self._robot.features
        reading = self._robot.observe(self._images or self._estimator is not None)
        told = reading
        if self._estimator is not None:
            told = with_estimate(reading, features.cameras, self._estimator)
        self._guard.check(told, armed)
        sensed = sensed_of(told, features)
        # Goals are judged by the motion capture where there is one, whatever the policy is told.
        judged = sensed_of(reading, features) if "object_position" in features.senses else sensed
        angles = torch.from_numpy(np.array(reading.values["actuator_angles"])).unsqueeze(0)
        return _Moment(asked_s, reading, told, sensed, judged, angles)


def _as_stop(error: Exception) -> SafetyStop:
    """What ended a trial, as the stop that it is; what nobody foresaw keeps its traceback as the cause."""
    if isinstance(error, SafetyStop):
        return error
    stop = (
        SafetyStop(str(error.args[0]), error.remedy)
        if isinstance(error, DexctlError)
        else SafetyStop(f"{type(error).__name__}: {error}", "Report it with the lines above.")
    )
    stop.__cause__ = error
    return stop


def _nothing_sent(change: np.ndarray, reading: Reading) -> Sent:
    nothing = np.zeros_like(change)
    return Sent(reading.time_s, False, nothing, nothing, 0)

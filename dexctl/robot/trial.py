"""One trial on a robot: goals, the policy's memory, and the verdict on every step."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor

from dexctl import randomness, rotation
from dexctl.policy.choosing import Chooser, sampling_noise
from dexctl.profile import schema
from dexctl.reorient.action import MovingAverage, RelativeTargets, bin_values
from dexctl.reorient.goals import next_goal
from dexctl.reorient.observation import Remembered, Sensed, concatenate, name_all
from dexctl.reorient.rules import End, Limits, judge
from dexctl.scene.anatomy import anatomy

_GOAL = randomness.stream("goal")

# From the trial's key, the goals reached so far and the object's orientation (1, 4) to a goal (1, 4); None: no more.
GoalSource = Callable[[Tensor, int, Tensor], Tensor | None]


def trial_key(seed: int, index: int) -> Tensor:
    """The key (1,) that all draws of a trial derive from."""
    return randomness.derive(randomness.key(seed), randomness.TRIAL, index)


def random_goals(profile: schema.Profile) -> GoalSource:
    """Goals as the task draws them."""

    def draw(key: Tensor, reached: int, orientation: Tensor) -> Tensor:
        return next_goal(profile.task, randomness.derive(key, _GOAL, reached), orientation, profile.object.kind)

    return draw


def listed_goals(goals: list[tuple[float, float, float, float]]) -> GoalSource:
    """Goals of a list, one after the other; a trial is full when it is through."""

    def take(key: Tensor, reached: int, orientation: Tensor) -> Tensor | None:
        if reached >= len(goals):
            return None
        return rotation.normalize(torch.tensor([goals[reached]], dtype=torch.float64))

    return take


@dataclasses.dataclass(frozen=True)
class Choice:
    """What the policy wants.

    Attributes:
        bins: (1, A); average: (1, A) of its actions; change_rad: (1, A) from where each motor is.
    """

    bins: Tensor
    average: Tensor
    change_rad: Tensor


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What a step led to.

    Attributes:
        reached: the goal that held; angle_rad: left to it.
        end: why the trial is over, ``RUNNING`` while it is not.
    """

    reached: bool
    angle_rad: float
    end: End


class Trial:
    """Goals in a row until a drop, a timeout, or enough of them.

    Attributes:
        goal: (1, 4) that holds now.
        steps, goals: taken and reached so far.
        periods: of control since the start, by the robot's clock: as many as steps where none was missed;
            goal_periods: since the goal was announced.
        goal_seconds: from each reached goal's announcing to its reaching.
    """

    def __init__(
        self, profile: schema.Profile, chooser: Chooser, control_range_rad: Tensor, goals: GoalSource, count: int
    ) -> None:
        """Makes the memory; ``begin`` starts a trial.

        Args:
            control_range_rad: (A, 2) of the robot's motors.
            count: goals in a row that make a trial full.
        """
        self.goal = torch.zeros(1, 4, dtype=torch.float64)
        self.steps = self.goals = self.periods = self.goal_periods = 0
        self.goal_seconds: list[float] = []
        self._profile, self._chooser, self._draw = profile, chooser, goals
        self._actuators = len(control_range_rad)
        self.period_s = profile.physics.timestep_s * profile.physics.substeps
        self._limits = Limits(round(profile.evaluate.goal_timeout_s / self.period_s), count)
        self._targets = RelativeTargets(control_range_rad, profile.action, anatomy(profile.hand).actuators)
        self._average = MovingAverage(1, self._actuators, profile.action.average)
        self._previous = torch.zeros(1, self._actuators, dtype=torch.float64)
        self._spawn = torch.tensor(profile.object.spawn_m, dtype=torch.float64)
        self._only = torch.arange(1)
        self._key = torch.zeros(1, dtype=torch.int64)
        self._begun_s = 0.0

    @property
    def seconds(self) -> float:
        """Since the start, in whole periods of the robot's clock."""
        return self.periods * self.period_s

    def reset(self) -> None:
        """Forgets the trial before."""
        self.steps = self.goals = self.periods = 0
        self.goal_seconds = []

    def begin(self, key: Tensor, sensed: Sensed, time_s: float) -> None:
        """Starts a trial from what is sensed now, at ``time_s`` on the robot's clock."""
        self.reset()
        self._key, self._begun_s = key, time_s
        self._average.reset(self._only)
        self._previous.zero_()
        self._chooser.reset(self._only)
        self._announce(sensed)

    def _announce(self, sensed: Sensed) -> bool:
        goal = self._draw(self._key, self.goals, sensed.object_orientation)
        if goal is None:
            return False
        self.goal, self.goal_periods = goal, 0
        return True

    def choose(self, sensed: Sensed, actuator_angles: Tensor) -> Choice:
        """Asks the policy.

        Args:
            actuator_angles: (1, A) rad, where the motors are.

        Raises:
            DataError: the policy gives numbers that are not finite.
        """
        remembered = Remembered(
            goal=self.goal,
            time_left=torch.tensor(
                [max(0.0, 1.0 - self.goal_periods / self._limits.steps_per_goal)], dtype=torch.float64
            ),
            action_average=self._average.value,
            previous_action=self._previous,
        )
        observe = self._chooser.observe
        seen = name_all(sensed, remembered, self._spawn, self._profile.task.angular_velocity, self.period_s)
        observations = concatenate(seen, observe) if observe else torch.empty(0)
        noise = sampling_noise(self._key, torch.tensor([self.steps]), self._actuators)
        bins = self._chooser.choose(observations, noise, self._only)
        action = bin_values(bins, self._profile.action.bins)
        self._previous = action
        average = self._average.update(action, self._only)
        return Choice(bins, average, self._targets.change(average, actuator_angles))

    def judge(self, sensed: Sensed, time_s: float) -> Judgement:
        """Judges what a step led to, and announces the next goal where one was reached.

        Args:
            time_s: when it was sensed, on the robot's clock: the time that missed periods took counts as well.
        """
        angle = self._left(sensed)
        periods = round((time_s - self._begun_s) / self.period_s)
        self.steps += 1
        self.goal_periods += periods - self.periods
        self.periods = periods
        verdict = judge(
            self._profile.task,
            sensed.object_position,
            angle,
            torch.zeros(1, dtype=torch.bool),
            torch.tensor([self.goal_periods]),
            torch.tensor([self.goals]),
            self._limits,
        )
        reached, end = bool(verdict.reached), End(int(verdict.end))
        if reached:
            self.goals += 1
            self.goal_seconds.append(self.goal_periods * self.period_s)
            if end == End.RUNNING and not self._announce(sensed):
                end = End.FULL
        return Judgement(reached, float(angle), end)

    def broken_off(self, sensed: Sensed) -> Judgement:
        """Of a step whose end nobody saw: the angle is the one at its beginning."""
        return Judgement(False, float(self._left(sensed)), End.ERROR)

    def _left(self, sensed: Sensed) -> Tensor:
        return rotation.angle(rotation.difference(self.goal, sensed.object_orientation))

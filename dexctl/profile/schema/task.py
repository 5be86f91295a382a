"""What is to be done, what it is worth, and how it is acted and scored."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from dexctl.profile.schema.kinds import Count, NonNegative, Positive, Table, Vector


class Task(Table, frozen=True, kw_only=True):
    """Block reorientation: which goals, when one is reached, when an episode ends.

    Attributes:
        goal: ``face-up`` (a face up, random yaw), ``so3`` (any rotation), ``yaw`` (the start's face up, random yaw).
        redraw_reached: draw again when the goal is already reached at draw time.
        nearest_goal_of: while training, the next goal is the nearest of so many that are drawn; 1 in an evaluation.
        goals_per_episode: goals in a row that end it; a byte of a segment counts them.
        start: orientation at reset, ``so3`` or ``yaw`` (upright with a random yaw).
        start_jitter_m: standard deviation of the object's start position.
        start_random_steps: control steps of random actions before an episode.
        start_action: ``redrawn`` at each of them, or one that is ``held``, as in robogym.
        start_drop_height_m: a start whose object is below this is drawn again.
        start_bank: starts kept and drawn from while training; 0 plays one for every episode.
        start_refresh: simulations that keep playing new starts into the bank.
        drop_height_m: the object's centre below this is a drop, world frame.
        palm_center_m: where the reward's ``distance`` is counted from, world frame.
        angular_velocity: as a ``quaternion`` of one control step's rotation, or a ``vector`` in rad/s.
    """

    goal: Literal["face-up", "so3", "yaw"]
    redraw_reached: bool
    success_rad: Positive
    goals_per_episode: Annotated[int, Meta(ge=1, le=255)]
    goal_timeout_s: Positive
    start: Literal["so3", "yaw"]
    start_jitter_m: NonNegative
    start_random_steps: Count
    start_drop_height_m: float
    start_bank: Count
    start_refresh: Count
    drop_height_m: float
    palm_center_m: Vector
    angular_velocity: Literal["quaternion", "vector"]
    start_action: Literal["redrawn", "held"] = "redrawn"
    nearest_goal_of: Annotated[int, Meta(ge=1, le=256)] = 1


class Reward(Table, frozen=True, kw_only=True):
    """What a step is worth.

    ``progress``: the angle to the goal before minus after. ``shaped``: 1/(angle + ``angle_offset_rad``).
    Both: ``distance`` x metres from the palm's centre, ``goal`` on reaching it, ``drop`` on dropping.

    Attributes:
        scale: multiplies the sum.
    """

    kind: Literal["progress", "shaped"]
    goal: float
    drop: float
    scale: Positive
    angle_offset_rad: Positive
    distance: float


class Action(Table, frozen=True, kw_only=True):
    """Discretized relative targets, smoothed.

    Attributes:
        bins: equal steps over [-1, 1] of each coordinate; the number of one fits a byte of a segment.
        average: weight of the past in the moving average, per 80 ms control step.
        range_fraction: target change of a full action, as a fraction of half the control range.
        hold: actuators that are told to go to an angle, rad, whatever the policy says; no randomized limit is moved
            across it.
    """

    bins: Annotated[int, Meta(ge=2, le=256)]
    average: Annotated[float, Meta(ge=0, lt=1)]
    range_fraction: Positive
    hold: dict[str, float] = msgspec.field(default_factory=dict)

"""How the simulation is fitted to a recording (appendix C.3)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from dexctl.profile.schema.kinds import Fraction, Positive, PositiveCount, Range, Table


class JointSensor(Table, frozen=True, kw_only=True):
    """A joint sensor's table, linear between its points; beyond its ends the last piece goes on.

    Attributes:
        reported_rad: what the robot reports, rising.
        angle_rad: the joint's angle then.
    """

    reported_rad: Annotated[list[float], Meta(min_length=2)]
    angle_rad: Annotated[list[float], Meta(min_length=2)]


class FittedParameter(Table, frozen=True, kw_only=True):
    """One kind of number that is fitted, of every joint or of every actuator.

    Attributes:
        by: what ``range`` and ``spread`` are of: ``factor`` of the hand's number, ``shift`` added to it, or the
            ``value`` itself.
        range: bounds of the search.
        spread: how far the hand's number may be expected to be off, as a standard deviation; of a factor, of its
            natural logarithm. It decides only where the recording says little.
    """

    by: Literal["factor", "shift", "value"]
    range: Range
    spread: Positive


class Calibrate(Table, frozen=True, kw_only=True):
    """How windows are cut, what counts as better, and what is fitted.

    Attributes:
        window_s: motion that is replayed from a recorded state.
        held_out: share of the windows that the fit never sees.
        least_windows: a finger with fewer of them is not fitted.
        moving_rad: a finger moves in a window when one of its joints travels so far.
        least_gain: a change that improves the error by less than this share is not kept; a sweep that does ends it.
        sweeps: at most so many.
        probes: steps that coordinate descent tries each way, as shares of a parameter's spread.
        sensor_rad: the least error that a joint sensor is trusted to have.
        determined: a parameter is determined when what is left of its spread is at most this share.
        parameters: by kind.
    """

    window_s: Positive
    held_out: Annotated[float, Meta(gt=0, lt=1)]
    least_windows: PositiveCount
    moving_rad: Positive
    least_gain: Fraction
    sweeps: PositiveCount
    probes: Annotated[list[Positive], Meta(min_length=1)]
    sensor_rad: Positive
    determined: Fraction
    parameters: dict[str, FittedParameter]

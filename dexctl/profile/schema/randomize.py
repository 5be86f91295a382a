"""The distribution over simulations, in the four groups of the paper."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from dexctl.profile.distribution import Value
from dexctl.profile.schema.kinds import (
    Fraction,
    FractionValue,
    NonNegative,
    NonNegativeValue,
    Positive,
    PositiveCount,
    PositiveValue,
    Table,
)


class RandomizePhysics(Table, frozen=True, kw_only=True):
    """What differs from one simulated hand and object to the next, drawn for each episode (Table 1).

    With ``task.start_bank`` an episode has the physics of the start that it was given, since that was played under
    it: each start of the bank goes to one episode after the other, in any simulation.

    Attributes:
        on: False leaves every simulation as the model is.
        object_scale: of all sides of the object, one factor; what touches with a mesh has one size.
        mass: factor of each body's mass and inertia, one for each body.
        mass_acts_on: ``inertia`` leaves the masses as they are, as robogym does.
        friction: factor of all friction, one for the whole scene.
        rolling_friction: factor of the object's rolling friction, times the one above; 1 follows that, as in the paper.
        joint_damping: factor for each joint.
        actuator_gain: factor for each actuator.
        joint_limit_rad: added to each stop of each joint; a stop at 0 never crosses 0, and control ranges follow.
        joint_limit_unit: of ``joint_limit_rad``: ``width`` counts in widths of the joint's range, as robogym does.
        joint_width_kept: share of a joint's range that its two stops keep between them.
        gravity_m_s2: added to each coordinate.
    """

    on: bool
    object_scale: PositiveValue
    mass: PositiveValue
    friction: PositiveValue
    rolling_friction: PositiveValue = 1.0
    joint_damping: NonNegativeValue
    actuator_gain: PositiveValue
    joint_limit_rad: Value
    joint_width_kept: Annotated[float, Meta(gt=0, le=1)]
    gravity_m_s2: Value
    mass_acts_on: Literal["mass-and-inertia", "inertia"] = "mass-and-inertia"
    joint_limit_unit: Literal["rad", "width"] = "rad"


class RandomizeObservation(Table, frozen=True, kw_only=True):
    """Noise of what the policy sees; the value function sees none of it (Table 7).

    ``episode`` is drawn once an episode, ``step`` anew at every step, both for each coordinate.

    Attributes:
        on: False shows the policy the simulation as it is.
        object_rotation_episode_rad, object_rotation_step_rad: coordinates of a rotation vector.
        fingertip_marker_m, base_marker_m: how far each marker sits from its place, for an episode.
    """

    on: bool
    fingertip_episode_m: Value
    fingertip_step_m: Value
    object_position_episode_m: Value
    object_position_step_m: Value
    object_rotation_episode_rad: Value
    object_rotation_step_rad: Value
    fingertip_marker_m: Value
    base_marker_m: Value


class ActionNoise(Table, frozen=True, kw_only=True):
    """Noise of each actuator's action, in units of the action: action x factor + episode + step (Table 8).

    Attributes:
        factor_per: how often the factor is drawn.
    """

    on: bool
    step: Value
    episode: Value
    factor: Value
    factor_per: Literal["step", "episode"]


class Delay(Table, frozen=True, kw_only=True):
    """Actuators that do what they were told one control step before, chosen for each episode.

    Attributes:
        probability: that an actuator is one of them.
    """

    on: bool
    probability: Fraction


class Backlash(Table, frozen=True, kw_only=True):
    """Slack between motor and joint: after a reversal an actuator first takes it up.

    Attributes:
        log_factor: factor of the calibrated ``backlash_log`` of ``hand.actuators``, for each direction and episode.
        spread: what ``log_factor`` is a factor of: ``log``, the logarithm, as in robogym, or ``speed``, what it is of.
        log_otherwise: in place of ``backlash_log`` for an actuator that has none.
        slowest_per_s: the slack is taken up at least so fast.
        dead_zone: actions smaller than this move nothing.
        share: of a step, in which a tendon is taut: by the slack's ``unclipped`` change, as in robogym, or by the
            paper's ``clipped`` one, with which nothing moves until the slack is used up.
    """

    on: bool
    log_factor: Value
    log_otherwise: float
    slowest_per_s: Positive
    dead_zone: NonNegative
    spread: Literal["log", "speed"] = "log"
    share: Literal["unclipped", "clipped"] = "unclipped"


class Timing(Table, frozen=True, kw_only=True):
    """Physics steps that last longer than ``physics.timestep_s``, all of a control step alike.

    Attributes:
        rate_per_s: for each episode; each control step's extra time is exponential with this rate.
        sign: ``either`` lengthens or shortens, as robogym does, never below a tenth.
    """

    on: bool
    rate_per_s: PositiveValue
    sign: Literal["longer", "either"] = "longer"


class MarkerLoss(Table, frozen=True, kw_only=True):
    """Fingertip markers that are lost for a while, each by itself: the last reading stays.

    Attributes:
        probability_per_s: that a marker is lost within a second.
        seconds: for how long.
    """

    on: bool
    probability_per_s: Annotated[float, Meta(ge=0, lt=1)]
    seconds: NonNegativeValue


class Occlusion(Table, frozen=True, kw_only=True):
    """Fingertip markers hidden by the object or another finger: the last reading stays.

    Attributes:
        distance_m: to the box on the nail that hides the marker; negative means inside it.
    """

    on: bool
    distance_m: float


class Force(Table, frozen=True, kw_only=True):
    """A push on the object's centre that fades; a new one takes its place.

    Attributes:
        probability: of a new push at a control step, for each episode.
        acceleration_m_s2: push over the object's mass, each coordinate in the world frame.
        decay: what is left of a push one control step later.
    """

    on: bool
    probability: FractionValue
    acceleration_m_s2: Value
    decay: Fraction


class RandomizeUnmodeled(Table, frozen=True, kw_only=True):
    """What the simulator has no model of (appendix C.2.3 to C.2.7).

    Attributes:
        on: False switches all of it off.
    """

    on: bool
    action_noise: ActionNoise
    delay: Delay
    backlash: Backlash
    timing: Timing
    marker_loss: MarkerLoss
    occlusion: Occlusion
    force: Force


class RandomizeAppearance(Table, frozen=True, kw_only=True):
    """How pictures for the pose estimator look (Table 9); physics does not know of it.

    Attributes:
        on: False renders the scene as it is.
        camera_position_m: added to each coordinate.
        camera_rotation_deg: about a random axis.
        camera_fov_deg: added to the vertical field of view.
        robot_color: each channel of each material; metallic and glossiness are shares of 1.
        object_hue, object_saturation, object_value: added to those of the calibrated colour.
        num_lights: least and most.
        light_distance_m: from the object, in a random direction above it.
        light_share: weight of each light in ``light_total``.
        ambient: light that comes from everywhere, in the units of ``light_total``.
        shadow: share of the pictures in which the strongest light casts a shadow.
        background: each channel of what lies behind hand and object.
        texture: share of the hand's materials, and of the backgrounds, that have a pattern.
        contrast: factor of the normalized picture.
        pixel_noise: added to each channel of each pixel of the normalized picture.
    """

    on: bool
    camera_position_m: Value
    camera_rotation_deg: Value
    camera_fov_deg: Value
    robot_color: FractionValue
    robot_metallic: FractionValue
    robot_glossiness: FractionValue
    object_hue: Value
    object_saturation: Value
    object_value: Value
    object_metallic: FractionValue
    object_glossiness: FractionValue
    num_lights: tuple[PositiveCount, PositiveCount]
    light_distance_m: PositiveValue
    light_share: PositiveValue
    light_total: NonNegativeValue
    ambient: NonNegativeValue = 0.0
    shadow: Fraction = 0.0
    background: FractionValue = 0.5
    texture: Fraction = 0.0
    contrast: PositiveValue
    pixel_noise: Value


class RandomizePose(Table, frozen=True, kw_only=True):
    """Where the object is put before its picture is made, so that no pose is rare (appendix D.2).

    Attributes:
        on: False leaves it where the state has it.
        turned: share of the pictures with one of the 24 rotations that map a cube onto itself.
        jittered: share with ``jitter_m`` added to each coordinate, and a turn by a vector of ``jitter_rad``.
    """

    on: bool = False
    turned: Fraction = 0.0
    jittered: Fraction = 0.0
    jitter_m: Value = 0.0
    jitter_rad: Value = 0.0


class Randomize(Table, frozen=True, kw_only=True):
    """The distribution over simulations that carries a policy to a robot; each group has a switch."""

    physics: RandomizePhysics
    observation: RandomizeObservation
    unmodeled: RandomizeUnmodeled
    appearance: RandomizeAppearance
    pose: RandomizePose = RandomizePose()

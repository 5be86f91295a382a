"""What a profile may say: every table and key, with its type, unit and bounds.

The structures hold no number of the paper: those stand in ``profiles/*.toml`` with their
source beside them. A key without a default must be given by the profile or by one it inherits.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from dexctl.profile.distribution import Value

Positive = Annotated[float, Meta(gt=0)]
NonNegative = Annotated[float, Meta(ge=0)]
Fraction = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]
PositiveCount = Annotated[int, Meta(ge=1)]
Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]
Range = tuple[float, float]
PositiveValue = Annotated[Value, Meta(extra={"low": 0.0, "open": True})]
NonNegativeValue = Annotated[Value, Meta(extra={"low": 0.0})]
FractionValue = Annotated[Value, Meta(extra={"low": 0.0, "high": 1.0})]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of a profile: immutable, unknown keys refused."""


class Joint(Table, frozen=True, kw_only=True):
    """One hinge of the hand.

    Attributes:
        range_rad: lower and upper stop.
        damping: N m s/rad.
        friction_loss: dry friction, N m.
        stiffness: N m/rad, around ``spring_reference_rad``.
    """

    range_rad: Range
    damping: NonNegative
    friction_loss: NonNegative
    stiffness: NonNegative = 0.0
    spring_reference_rad: float = 0.0


class Actuator(Table, frozen=True, kw_only=True):
    """One position servo: torque = gain * (target - angle), clipped to the force limit.

    Attributes:
        control_range_rad: targets it accepts; for a coupled pair, the sum of both angles.
        gain: N m/rad.
        force_limit_nm: N m.
        backlash_log: ln of the slack speed inward and outward, 1/s; larger is less backlash.
    """

    control_range_rad: Range
    gain: Positive
    force_limit_nm: Positive
    backlash_log: Range


class Marker(Table, frozen=True, kw_only=True):
    """A motion-capture marker on a fingertip, and the box on the nail that hides it.

    Attributes:
        position_m: in the distal link's frame.
        occlusion_half_size_m, occlusion_center_m: the box, in the same frame.
    """

    position_m: Vector
    occlusion_half_size_m: Vector
    occlusion_center_m: Vector


class Hand(Table, frozen=True, kw_only=True):
    """The robot hand: its model, and what is edited into it.

    Attributes:
        model: ``gymnasium-robotics`` or the path of an MJCF file.
        coupled_range_rad, coupled_difference_range_rad: limits of J1 + J0 and J1 - J0 of a finger.
        coupled_damping: of J1 + J0, N m s/rad.
        dry_friction: False takes the joints' friction loss away, whichever the gains; a constraint a joint the fewer.
        gains: ``2018`` edits ``joints`` and ``actuators`` into the model, ``gym`` keeps the model's own.
    """

    model: str
    gains: Literal["2018", "gym"]
    dry_friction: bool = True
    coupled_range_rad: Range
    coupled_difference_range_rad: Range
    coupled_damping: NonNegative
    contact_margin_m: NonNegative
    joints: dict[str, Joint]
    actuators: dict[str, Actuator]
    fingertip_markers: dict[str, Marker]
    base_markers_m: dict[str, Vector]


class Object(Table, frozen=True, kw_only=True):
    """What the hand holds.

    Attributes:
        kind: ``block``, a cube with a letter on each face; ``prism``, an octagonal one with ten; ``sphere``, a
            patterned ball; ``mjcf``, the first body of the file ``model``, with its own size, mass and looks.
        model: path of an MJCF file; for ``mjcf`` alone.
        size_m: the block's edge, the prism's height and width across flats, the sphere's diameter.
        mass_kg: total mass.
        spawn_m: where it is let go above the palm, world frame.
        friction: sliding, spinning, rolling.
        face_colors: RGB in [0, 1] by face: ``+x`` to ``-z``; of a prism the four between them too, ``+x+y``.
        letters: one for each face, in the order +x -x +y -y +z -z +x+y -x+y -x-y +x-y.
    """

    kind: Literal["block", "prism", "sphere", "mjcf"]
    model: str = ""
    size_m: NonNegative = 0.0
    mass_kg: NonNegative = 0.0
    spawn_m: Vector
    friction: Vector
    joint_damping: NonNegative
    face_colors: dict[str, Vector]
    letters: str = ""


class Camera(Table, frozen=True, kw_only=True):
    """A fixed camera: pose in the world frame and vertical field of view."""

    position_m: Vector
    quaternion_wxyz: Quaternion
    vertical_fov_deg: Annotated[float, Meta(gt=0, lt=180)]


class Physics(Table, frozen=True, kw_only=True):
    """How MuJoCo steps.

    Attributes:
        threads: 0 takes every core that the process may use.
        failure_share: a run ends when more than this share of steps failed.
        dump_failures: how many failing simulations a process writes down at most.
    """

    backend: Literal["cpu"]
    timestep_s: Positive
    substeps: PositiveCount
    solver_iterations: PositiveCount
    threads: Count
    failure_share: Fraction
    dump_failures: Count


class Task(Table, frozen=True, kw_only=True):
    """Block reorientation: which goals, when one is reached, when an episode ends.

    Attributes:
        goal: ``face-up`` (a face up, random yaw), ``so3`` (any rotation), ``yaw`` (the start's face up, random yaw).
        redraw_reached: draw again when the goal is already reached at draw time.
        start: orientation at reset, ``so3`` or ``yaw`` (upright with a random yaw).
        start_jitter_m: standard deviation of the object's start position.
        start_random_steps: control steps of random actions before an episode.
        start_drop_height_m: a start whose object is below this is drawn again.
        start_bank: starts kept and drawn from while training; 0 plays one for every episode.
        start_refresh: simulations that keep playing new starts into the bank.
        drop_height_m: the object's centre below this is a drop, world frame.
        palm_center_m: where the shaped reward wants the object, world frame.
        angular_velocity: as a ``quaternion`` of one control step's rotation, or a ``vector`` in rad/s.
    """

    goal: Literal["face-up", "so3", "yaw"]
    redraw_reached: bool
    success_rad: Positive
    goals_per_episode: PositiveCount
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


class Reward(Table, frozen=True, kw_only=True):
    """What a step is worth.

    ``progress``: the angle to the goal before minus after, ``goal`` on reaching it, ``drop`` on dropping.
    ``shaped``: 1/(angle + ``angle_offset_rad``) + ``distance`` x metres from the palm's centre, and both events.

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
        bins: equal steps over [-1, 1] of each coordinate.
        average: weight of the past in the moving average, per 80 ms control step.
        range_fraction: target change of a full action, as a fraction of half the control range.
    """

    bins: Annotated[int, Meta(ge=2)]
    average: Annotated[float, Meta(ge=0, lt=1)]
    range_fraction: Positive


class Network(Table, frozen=True, kw_only=True):
    """A policy or value network.

    Attributes:
        kind: ``lstm`` (dense layers, then an LSTM) or ``feedforward``.
        observe: names of the observations it sees, in order (``reorient/observation.py``).
        hidden: sizes of the dense layers.
        lstm: size of the LSTM, used by ``lstm`` alone.
    """

    kind: Literal["lstm", "feedforward"]
    observe: Annotated[list[str], Meta(min_length=1)]
    hidden: Annotated[list[PositiveCount], Meta(min_length=1)]
    lstm: PositiveCount
    activation: Literal["relu", "elu"]


class Policy(Table, frozen=True, kw_only=True):
    """Actor and critic, and how their inputs are normalized.

    Attributes:
        initial_std: standard deviation of the discretized Gaussian that the bins start as, in units of the action;
            0 starts uniform.
        clip_std: normalized inputs are clipped to this many standard deviations.
    """

    actor: Network
    critic: Network
    initial_std: NonNegative
    clip_std: Positive


class PPO(Table, frozen=True, kw_only=True):
    """Proximal policy optimization.

    Attributes:
        batch_steps: transitions of one update.
        minibatches: parts that an epoch splits the batch into.
        epochs: passes over the batch; may be fractional, counted in whole minibatches.
        chunk_steps: length of the pieces that back-propagation through time sees.
        ratio: what the clip bounds: the probability ratio of the whole action, or of each coordinate by itself.
        kl_low, kl_high: the learning rate grows when an update diverges less, and shrinks when it diverges more;
            0 and 0 keep it fixed.
        entropy: weight of the entropy, summed over the action's coordinates.
        whole_episodes: advantages over whole episodes, not over segments cut at the batch's end.
        bootstrap_timeouts: a timeout cuts the segment, not the return.
        max_staleness: experience older than this many updates is dropped.
    """

    batch_steps: PositiveCount
    minibatches: PositiveCount
    epochs: Positive
    chunk_steps: PositiveCount
    discount: Fraction
    gae_lambda: Fraction
    clip: Positive
    ratio: Literal["joint", "coordinate"] = "joint"
    entropy: NonNegative
    value_weight: Positive
    learning_rate: Positive
    learning_rate_min: Positive
    learning_rate_max: Positive
    kl_low: NonNegative
    kl_high: NonNegative
    gradient_norm: Positive
    adam_epsilon: Positive
    whole_episodes: bool
    bootstrap_timeouts: bool
    max_staleness: Count
    autocast: Literal["auto", "bf16", "off"]


class Rollout(Table, frozen=True, kw_only=True):
    """How a worker gathers experience.

    Attributes:
        environments: simulations of one worker.
        segment_steps: control steps of one message to the optimizer.
    """

    environments: PositiveCount
    segment_steps: PositiveCount


class Evaluate(Table, frozen=True, kw_only=True):
    """Trials, as the paper scores them.

    Attributes:
        batch: trials simulated at once.
    """

    trials: PositiveCount
    goals: PositiveCount
    goal_timeout_s: Positive
    batch: PositiveCount


class Wire(Table, frozen=True, kw_only=True):
    """Sockets between workers and optimizer.

    Attributes:
        credits: segments a worker may have sent and not seen acknowledged.
        buffer_mib: segments that all workers together may have sent so, in MiB; at least one.
        heartbeat_s, timeout_s: how often each side says that it lives, and how long it may be silent.
        orphan_timeout_s: a worker whose optimizer is silent for so long leaves.
    """

    credits: PositiveCount
    buffer_mib: PositiveCount
    heartbeat_s: Positive
    timeout_s: Positive
    orphan_timeout_s: Positive


class Run(Table, frozen=True, kw_only=True):
    """One training run on one layout of machines.

    Attributes:
        workers: rollout workers that ``optimize`` starts itself.
        checkpoint_s: seconds between checkpoints.
        keep_checkpoints: how many of the newest are kept.
    """

    seed: Count
    workers: Count
    checkpoint_s: Positive
    keep_checkpoints: Annotated[int, Meta(ge=2)]


class RandomizePhysics(Table, frozen=True, kw_only=True):
    """What differs from one simulated hand and object to the next, drawn for each episode (Table 1).

    Attributes:
        on: False leaves every simulation as the model is.
        object_scale: of all sides of the object, one factor.
        mass: factor of each body's mass and inertia, one for each body.
        friction: factor of all friction, one for the whole scene.
        rolling_friction: factor of the object's rolling friction, times the one above.
        joint_damping: factor for each joint.
        actuator_gain: factor for each actuator.
        joint_limit_rad: added to each stop of each joint; a stop at 0 never crosses 0, and control ranges follow.
        joint_width_kept: share of a joint's range that its two stops keep between them.
        gravity_m_s2: added to each coordinate.
    """

    on: bool
    object_scale: PositiveValue
    mass: PositiveValue
    friction: PositiveValue
    rolling_friction: PositiveValue
    joint_damping: NonNegativeValue
    actuator_gain: PositiveValue
    joint_limit_rad: Value
    joint_width_kept: Annotated[float, Meta(gt=0, le=1)]
    gravity_m_s2: Value


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
        log_otherwise: in place of ``backlash_log`` for an actuator that has none.
        slowest_per_s: the slack is taken up at least so fast.
        dead_zone: actions smaller than this move nothing.
    """

    on: bool
    log_factor: Value
    log_otherwise: float
    slowest_per_s: Positive
    dead_zone: NonNegative


class Timing(Table, frozen=True, kw_only=True):
    """Physics steps that last longer than ``physics.timestep_s``, all of a control step alike.

    Attributes:
        rate_per_s: for each episode; each control step's extra time is exponential with this rate.
    """

    on: bool
    rate_per_s: PositiveValue


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
    contrast: PositiveValue
    pixel_noise: Value


class Randomize(Table, frozen=True, kw_only=True):
    """The distribution over simulations that carries a policy to a robot; each group has a switch."""

    physics: RandomizePhysics
    observation: RandomizeObservation
    unmodeled: RandomizeUnmodeled
    appearance: RandomizeAppearance


class Profile(Table, frozen=True, kw_only=True):
    """A whole profile, resolved."""

    description: str
    hand: Hand
    object: Object
    cameras: dict[str, Camera]
    physics: Physics
    task: Task
    reward: Reward
    action: Action
    randomize: Randomize
    policy: Policy
    ppo: PPO
    rollout: Rollout
    evaluate: Evaluate
    wire: Wire
    run: Run

"""A robot to act on: its loop and limits, and how a simulated one differs from the training."""

from __future__ import annotations

from typing import Literal

import msgspec

from dexctl.profile.schema.kinds import Fraction, NonNegative, Positive, PositiveCount, Range, Table


class Safety(Table, frozen=True, kw_only=True):
    """When a controller stops the robot to protect it.

    Attributes:
        sensor_age_s: joints that were measured longer ago are stale.
        object_age_s: an object that was seen longer ago is lost.
        fingertip_age_s: a fingertip's marker that was seen longer ago is stale.
        range_margin_rad: a joint farther than this out of its range is a hit.
        torque_share: a motor at more than this share of its force limit is a hit; 1 never counts one.
        limit_hits: control steps with a hit that a trial may have.
        answer_s: a robot that is silent for longer is gone.
    """

    sensor_age_s: Positive
    object_age_s: Positive
    range_margin_rad: NonNegative
    torque_share: Fraction
    limit_hits: PositiveCount
    answer_s: Positive
    fingertip_age_s: Positive = 2.0


class Gap(Table, frozen=True, kw_only=True):
    """How the physics of a simulated robot differs; each pair is a span that one robot is drawn from.

    Attributes:
        timestep_s: of its physics, a multiple of the loop's period; 0 for the scene's own.
        integrator, cone: MuJoCo's.
        contact_time, contact_width: factors on the softness of contacts: time constant, and depth of full stiffness.
        friction, object_mass, object_size, link_mass, damping, gain, force_limit: factors.
        derivative_s: the motors' damping, as a time: torque against speed is gain times this.
        slack_rad: a motor turns so far either way before its tendon pulls.
        dry_friction_nm: in every joint.
    """

    timestep_s: NonNegative
    integrator: Literal["euler", "implicitfast"]
    cone: Literal["pyramidal", "elliptic"]
    contact_time: Range
    contact_width: Range
    friction: Range
    object_mass: Range
    object_size: Range
    link_mass: Range
    damping: Range
    gain: Range
    force_limit: Range
    derivative_s: Range
    slack_rad: Range
    dry_friction_nm: Range


class Sensors(Table, frozen=True, kw_only=True):
    """How a simulated robot senses; each pair is a span that one robot is drawn from.

    Attributes:
        joint_delay_s, capture_delay_s: age of what the joints' sensors and the motion capture say.
        joint_bias_rad: of each joint; joint_noise_rad: of each measurement, a standard deviation.
        marker_noise_m: of each marker's measurement, a standard deviation.
        marker_offset_m: how far one marker sits from where it should.
        marker_loss_per_s: how often each marker is lost; marker_loss_s: for how long.
        object_loss_per_s: how often the object is lost; object_loss_s: for how long.
        object_noise_m, object_noise_rad: of each measurement of the object, standard deviations.
        object_offset_m, object_offset_rad: of all of them.
        velocity_window_s: velocities are differences over so long; 0 takes the true ones.
    """

    joint_delay_s: Range
    capture_delay_s: Range
    joint_bias_rad: Range
    joint_noise_rad: Range
    marker_noise_m: Range
    marker_offset_m: Range
    marker_loss_per_s: Range
    marker_loss_s: Range
    object_noise_m: Range
    object_noise_rad: Range
    object_offset_m: Range
    object_offset_rad: Range
    velocity_window_s: NonNegative
    object_loss_per_s: Range = (0.0, 0.0)
    object_loss_s: Range = (0.0, 0.0)


class Ros(Table, frozen=True, kw_only=True):
    """Topics of a hand that is reached through rosbridge.

    Attributes:
        joint_states: sensor_msgs/JointState, names as the profile's joints.
        trajectory: trajectory_msgs/JointTrajectory, which the hand follows; names as the actuated joints.
        markers: geometry_msgs/PoseArray, the five fingertips, thumb last, then the base's three; empty for none.
        object_pose: geometry_msgs/PoseStamped; empty for none.
    """

    joint_states: str
    trajectory: str
    markers: str
    object_pose: str


class RobotCamera(Table, frozen=True, kw_only=True):
    """A camera that looks at the robot and is read by the controller's own machine.

    Attributes:
        driver: ``basler`` by pypylon; ``video`` by OpenCV: a V4L device, an RTSP or HTTP stream.
        source: a Basler camera's serial number or its user's name for it; number of a device, or an address.
    """

    driver: Literal["basler", "video"]
    source: str


class Robot(Table, frozen=True, kw_only=True):
    """A robot; a profile without this table serves none.

    Attributes:
        name: for people.
        loop_period_s: of the low-level loop.
        watchdog_s: without a command for so long, it holds; relax_s: holding for so long, it lets go.
        command_age_s: a command that answers an older reading is not executed.
        velocity_limit_rad_s: of every joint.
        image_px: edge of its cameras' pictures.
        cameras: that the controller's machine reads, by name, in the order of the estimator's; empty where the
            robot gives the pictures.
        ros: topics; a robot without this table is not reached through rosbridge.
    """

    name: str
    loop_period_s: Positive
    watchdog_s: Positive
    relax_s: Positive
    command_age_s: Positive
    velocity_limit_rad_s: Positive
    image_px: PositiveCount
    safety: Safety
    gap: Gap
    sensors: Sensors
    cameras: dict[str, RobotCamera] = msgspec.field(default_factory=dict)
    ros: Ros | None = None

"""What is simulated: the hand, the object, the cameras, and how MuJoCo steps."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from dexctl.profile.schema.calibrate import JointSensor
from dexctl.profile.schema.kinds import (
    Count,
    Fraction,
    NonNegative,
    Positive,
    PositiveCount,
    Quaternion,
    Range,
    Table,
    Vector,
)


class Joint(Table, frozen=True, kw_only=True):
    """One hinge of the hand.

    Attributes:
        range_rad: lower and upper stop.
        damping: N m s/rad.
        friction_loss: dry friction, N m.
        stiffness: N m/rad, around ``spring_reference_rad``.
        margin_rad: how far before a stop it begins to push; the default is Gymnasium-Robotics'.
    """

    range_rad: Range
    damping: NonNegative
    friction_loss: NonNegative
    stiffness: NonNegative = 0.0
    spring_reference_rad: float = 0.0
    margin_rad: NonNegative = 0.01


class Actuator(Table, frozen=True, kw_only=True):
    """One position servo: torque = gain * (target - angle), clipped to the force limit.

    Attributes:
        control_range_rad: targets it accepts; for a coupled pair, the sum of both angles.
        gain: N m/rad.
        force_limit_nm: N m.
        backlash_log: ln of the slack's speed for negative and positive actions, 1/s; larger is less backlash.
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


class HandNames(Table, frozen=True, kw_only=True):
    """What another hand's model calls its parts; left out for Gymnasium-Robotics' hand, whose names are known.

    Attributes:
        joints: all its hinges, in the order of joint angles.
        actuators: all its position servos, in the model's order: a coordinate of an action each.
        coupled: joints that have no motor of their own, by the joint that each moves with.
        fingertip_links: the last link of each finger of ``hand.fingertip_markers``, which carries its marker.
        palm: the body that is placed.
        palm_position_m, palm_quaternion_wxyz: where, with all joints at zero, world frame; +z is up.
    """

    joints: list[str]
    actuators: list[str]
    coupled: dict[str, str]
    fingertip_links: dict[str, str]
    palm: str
    palm_position_m: Vector
    palm_quaternion_wxyz: Quaternion


class Hand(Table, frozen=True, kw_only=True):
    """The robot hand: its model, and what is edited into it.

    Attributes:
        model: ``gymnasium-robotics``, the path of an MJCF file, or ``menagerie:ROBOT/ENTRY``, which the package
            mujoco-menagerie fetches.
        coupled_range_rad, coupled_difference_range_rad: limits of J1 + J0 and J1 - J0 of a finger.
        coupled_damping: of J1 + J0, N m s/rad.
        dry_friction: False takes the joints' friction loss away, whichever the gains; a constraint a joint the fewer.
        gains: ``2018`` edits ``joints`` and ``actuators`` into the model, ``gym`` keeps the model's own,
            ``model`` those of another hand.
        sensors: tables of the joints' sensors, where what the robot reports is not the angle.
        calibrated_on: hex digest of the recording that the numbers were fitted to; empty when there was none.
    """

    model: str
    names: HandNames | None = None
    gains: Literal["2018", "gym", "model"]
    dry_friction: bool = True
    coupled_range_rad: Range
    coupled_difference_range_rad: Range
    coupled_damping: NonNegative
    contact_margin_m: NonNegative
    joints: dict[str, Joint]
    actuators: dict[str, Actuator]
    fingertip_markers: dict[str, Marker]
    base_markers_m: dict[str, Vector]
    sensors: dict[str, JointSensor] = msgspec.field(default_factory=dict)
    calibrated_on: str = ""


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
        backend: of training and evaluation: ``cpu`` for MuJoCo's own batch, ``warp`` for mujoco-warp, which steps
            on a GPU. Simulated robots, calibration, Gymnasium and what is shown are stepped by ``cpu`` anyway.
        device: of ``warp``, as Warp calls it: ``cuda:1``, ``cpu``; empty for the best there is.
        max_contacts: of ``warp``, room for contacts and for pairs that come near, of a simulation on average; at
            random play of the shipped objects 2 to 5, at most 20.
        max_constraints: of ``warp``, room for rows of the solver in each simulation; likewise 106 at most.
        threads: 0 takes every core that the process may use.
        failure_share: a run ends when more than this share of steps failed.
        dump_failures: how many failing simulations a process writes down at most.
    """

    backend: Literal["cpu", "warp"]
    timestep_s: Positive
    substeps: PositiveCount
    solver_iterations: PositiveCount
    threads: Count
    failure_share: Fraction
    dump_failures: Count
    device: str = ""
    max_contacts: PositiveCount = 64
    max_constraints: PositiveCount = 192

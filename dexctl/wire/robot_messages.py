"""What a controller and a robot say to each other: control frames, and the arrays that follow them.

A controller asks and a robot answers, one answer to each question, with the question's number in it.
Arrays follow in frames of their own, little-endian, in C order, of the length that the robot's
features promise.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from dexctl.wire.layout import ArrayLayout, Layout
from dexctl.wire.messages import Message, Name, Text, Whole

# A description names some fifty joints and motors with their limits.
ROBOT_CONTROL_BYTES = 1 << 20
CONTROLLER_CONTROL_BYTES = 64 << 10

Number = Annotated[float, Meta(ge=-1e12, le=1e12)]
Span = tuple[Number, Number]
Mode = Literal["idle", "moving", "holding", "relaxed"]

# What each quantity is, its unit and frame; a robot's features say which of them it senses.
# J joints, A actuators.
QUANTITIES: dict[str, tuple[int | str, ...]] = {
    "joint_angles": ("J",),  # rad
    "joint_velocities": ("J",),  # rad/s
    "actuator_angles": ("A",),  # rad; what a motor turns: of a coupled pair the sum of both joints
    "actuator_torques": ("A",),  # N m
    "fingertip_markers": (5, 3),  # m, world frame; thumb last
    "base_markers": (3, 3),  # m, world frame
    "object_position": (3,),  # m, world frame
    "object_orientation": (4,),  # wxyz, world frame
    "object_velocity": (3,),  # m/s, world frame
    "object_angular_velocity": (3,),  # rad/s, in the object's own frame
    "joint_age": (1,),  # s since it was measured
    "fingertip_age": (5,),  # s since each marker was seen
    "object_age": (1,),  # s since the object was seen
}


class Features(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a robot is, known before anybody takes control of it.

    Attributes:
        name: for people.
        joints, actuators: in the order of every array.
        joint_range_rad, velocity_limit_rad_s: of each joint.
        control_range_rad, force_limit_nm: of each actuator.
        loop_period_s: of the low-level loop that holds targets.
        watchdog_s: without a command for so long, the robot holds where it is.
        relax_s: after holding for so long, it lets go.
        command_age_s: a command that answers an older reading is not executed.
        clock: ``real``, or ``virtual`` where time passes only when the controller says so.
        senses: quantities of a reading, in order, by ``QUANTITIES``.
        cameras: names, in order; image_px: edge of their square pictures.
        places: whether it can be put into a state, as only a simulated one can.
    """

    name: Text
    joints: Annotated[tuple[Name, ...], Meta(max_length=256)]
    actuators: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=256)]
    joint_range_rad: Annotated[tuple[Span, ...], Meta(max_length=256)]
    velocity_limit_rad_s: Number
    control_range_rad: Annotated[tuple[Span, ...], Meta(max_length=256)]
    force_limit_nm: Annotated[tuple[Number, ...], Meta(max_length=256)]
    loop_period_s: Annotated[float, Meta(gt=0, le=1)]
    watchdog_s: Annotated[float, Meta(gt=0, le=60)]
    relax_s: Annotated[float, Meta(gt=0, le=60)]
    command_age_s: Annotated[float, Meta(gt=0, le=60)]
    clock: Literal["real", "virtual"]
    senses: Annotated[tuple[Name, ...], Meta(max_length=64)]
    cameras: Annotated[tuple[Name, ...], Meta(max_length=16)] = ()
    image_px: Annotated[int, Meta(ge=0, le=4096)] = 0
    places: bool = False

    def __post_init__(self) -> None:
        unknown = [name for name in self.senses if name not in QUANTITIES]
        if unknown:
            raise ValueError(f"unknown quantities {unknown}")
        if len(self.joint_range_rad) != len(self.joints):
            raise ValueError("a range for each joint is wanted")
        if not len(self.actuators) == len(self.control_range_rad) == len(self.force_limit_nm):
            raise ValueError("a range and a force limit for each actuator are wanted")

    def shape(self, quantity: str) -> tuple[int, ...]:
        """Shape of a quantity for this robot."""
        sizes = {"J": len(self.joints), "A": len(self.actuators)}
        return tuple(sizes[n] if isinstance(n, str) else n for n in QUANTITIES[quantity])

    def reading(self, images: bool) -> Layout:
        """Layout of a reading: every quantity in float64, then each camera's picture when asked for."""
        quantities = [ArrayLayout(name, "float64", self.shape(name)) for name in self.senses]
        picture = (self.image_px, self.image_px, 3)
        pictures = [ArrayLayout(f"camera:{name}", "uint8", picture) for name in self.cameras] if images else []
        return Layout(1, 1, (*quantities, *pictures))

    def command(self) -> Layout:
        """Layout of a command: how far each motor is to turn from where it is, rad."""
        return Layout(1, 1, (ArrayLayout("change", "float64", (len(self.actuators),)),))

    def sent(self) -> Layout:
        """Layout of the answer: the change after clipping, and the angle it leads to, rad."""
        each = (len(self.actuators),)
        return Layout(1, 1, (ArrayLayout("change", "float64", each), ArrayLayout("target", "float64", each)))

    def state(self) -> Layout:
        """Layout of a state that a simulated robot can be put into.

        ``object_pose`` is position and wxyz, ``object_velocity`` linear and angular as MuJoCo keeps them, and
        ``warm_start`` where its solver starts to search, zeros when unknown.
        """
        each = (len(self.joints),)
        return Layout(
            1,
            1,
            (
                ArrayLayout("joint_angles", "float64", each),
                ArrayLayout("joint_velocities", "float64", each),
                ArrayLayout("object_pose", "float64", (7,)),
                ArrayLayout("object_velocity", "float64", (6,)),
                ArrayLayout("warm_start", "float64", (len(self.joints) + 6,)),
            ),
        )


class Question(Message, frozen=True):
    """Anything that a controller asks; ``number`` counts up by one and comes back in the answer."""

    number: Whole


class Describe(Question, frozen=True):
    """Asks for the features; anybody may, and takes no control by it."""


class Take(Question, frozen=True):
    """Asks for control of the robot.

    Attributes:
        host, pid: of the controller, for people.
    """

    host: Text
    pid: Whole


class Arm(Question, frozen=True):
    """From now on commands move the robot, until it stops or its watchdog bites."""


class Observe(Question, frozen=True):
    """Asks for the newest reading, with pictures or without."""

    images: bool


class Act(Question, frozen=True):
    """Commands a change; one frame follows, see ``Features.command``.

    Attributes:
        observed_s: robot's time of the reading that it answers.
    """

    observed_s: Number


class Advance(Question, frozen=True):
    """Lets a robot with a virtual clock live until then, robot's time."""

    until_s: Number


class Place(Question, frozen=True):
    """Puts a simulated robot into a state; the frames of ``Features.state`` follow."""


class Stop(Question, frozen=True):
    """Hold, then let go; moving again needs ``Arm``."""

    reason: Text


class Leave(Question, frozen=True):
    """Stops, and gives control away."""


class Answer(Message, frozen=True):
    """Anything that a robot answers.

    Attributes:
        number: of the question.
        time_s: robot's own clock.
        mode: what it does now.
    """

    number: Whole
    time_s: Number
    mode: Mode


class Description(Answer, frozen=True):
    """What the robot is."""

    features: Features


class Done(Answer, frozen=True):
    """What was asked has been done."""


class Reading(Answer, frozen=True):
    """The newest reading; its arrays follow, see ``Features.reading``.

    Attributes:
        image_age_s: of the pictures, when they left; 0 without.
    """

    images: bool
    image_age_s: Annotated[float, Meta(ge=0, le=1e12)] = 0.0


class Sent(Answer, frozen=True):
    """What became of a command; the arrays of ``Features.sent`` follow.

    Attributes:
        executed: whether the robot moves so; not when the command came too late.
        clipped: how many of its numbers were out of the limits.
    """

    executed: bool
    clipped: Whole


class Denied(Answer, frozen=True):
    """Nothing was done. ``code`` is the exit code it is worth: 10, 69, 75 or 76."""

    code: Whole
    reason: Text


FromController = Describe | Take | Arm | Observe | Act | Advance | Place | Stop | Leave
FromRobot = Description | Done | Reading | Sent | Denied

FROM_CONTROLLER = msgspec.msgpack.Decoder(FromController)
FROM_ROBOT = msgspec.msgpack.Decoder(FromRobot)

"""The scripted motions played on a robot, through the same guard as a policy."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

import numpy as np
import torch

from dexctl.calibrate.motions import Script
from dexctl.errors import ProtocolError
from dexctl.reorient.rules import End
from dexctl.robot.control import Step
from dexctl.robot.protocol import Features, Reading, Robot, Sent, State
from dexctl.robot.safety import Guard
from dexctl.robot.trial import Choice, Judgement
from dexctl.scene import names

# Out of the way of every finger: where a simulated robot's object falls from.
_AWAY_M = (1.0, 0.87, -5.0)
_NEEDED = ("joint_angles", "actuator_angles")


def check_robot(features: Features) -> None:
    """Checks that a robot is the hand that can be calibrated.

    Raises:
        ProtocolError: it has other joints or actuators, or does not sense their angles.
    """
    if features.joints != names.JOINTS or features.actuators != names.ACTUATORS:
        raise ProtocolError(f"{features.name} is another hand", "The script is for the Shadow hand of hand/shadow.")
    missing = [quantity for quantity in _NEEDED if quantity not in features.senses]
    if missing:
        raise ProtocolError(f"{features.name} does not sense {', '.join(missing)}", "The fit compares joint angles.")


def play(
    robot: Robot,
    script: Script,
    guard: Guard,
    period_s: float,
    on_step: Callable[[Step], None],
    stop: Callable[[], bool],
) -> int:
    """Plays the script on a connected robot, which is stopped afterwards, whatever happens.

    Args:
        on_step: told of every control step.
        stop: asked in every step; True ends the motion.

    Returns:
        Control steps that were played.

    Raises:
        SafetyStop: the robot was stopped to protect it.
    """
    reason = "the motions are over"
    try:
        if robot.features.places:
            robot.place(_without_object(len(robot.features.joints)))
        robot.arm()
        return _play(robot, script, guard, period_s, on_step, stop)
    except BaseException as error:
        reason = f"{type(error).__name__}: {error}"
        raise
    finally:
        robot.stop(reason)


def _play(
    robot: Robot,
    script: Script,
    guard: Guard,
    period_s: float,
    on_step: Callable[[Step], None],
    stop: Callable[[], bool],
) -> int:
    started_s, index, finger = time.monotonic(), 0, ""
    asked_s = time.monotonic()
    reading = robot.observe()
    due_s, late_s = reading.time_s, 0.0
    while not stop():
        action = script.next(reading.values["actuator_angles"])
        phase = script.phase
        if action is None or phase is None:
            break
        if phase.finger.name != finger:
            # Each finger has a budget of its own for limits that it hits.
            guard.begin()
            finger = phase.finger.name
        guard.check(_hand_alone(reading))
        change = action * script.reach_rad
        sent = robot.act(change, reading.time_s)
        latency_s = time.monotonic() - asked_s
        on_step(_step(asked_s - started_s, index, reading, action, change, sent, latency_s, late_s))
        due_s += period_s
        now_s = robot.wait_until(due_s)
        late_s = max(0.0, now_s - due_s)
        if late_s > period_s:
            # A missed step is not made up for: the rhythm begins anew.
            due_s = now_s
        asked_s = time.monotonic()
        reading = robot.observe()
        index += 1
    return index


def _step(
    time_s: float,
    index: int,
    reading: Reading,
    action: np.ndarray,
    change: np.ndarray,
    sent: Sent,
    latency_s: float,
    late_s: float,
) -> Step:
    """A control step without goal or bins."""
    row = torch.from_numpy(action)[None]
    choice = Choice(torch.full(row.shape, -1, dtype=torch.int64), row, torch.from_numpy(change)[None])
    told = dataclasses.replace(reading, values={**_NOTHING, **reading.values})
    return Step(
        time_s=time_s,
        trial=0,
        index=index,
        reading=reading,
        told=told,
        fingertip_positions_m=np.zeros(3 * len(names.FINGERS)),
        goal_wxyz=np.zeros(4),
        judgement=Judgement(False, 0.0, End.RUNNING),
        choice=choice,
        sent=sent,
        latency_s=latency_s,
        late_s=late_s,
    )


# What is recorded of an object that is not there.
_NOTHING = {"object_position": np.zeros(3), "object_orientation": np.array([1.0, 0.0, 0.0, 0.0])}


def _hand_alone(reading: Reading) -> Reading:
    """A reading without the object, which nobody misses here, and without the motors' forces.

    The motions drive every joint to its stops, where the motors of 2018 clip their own force.
    """
    left_out = ("object", "actuator_torques")
    values = {name: value for name, value in reading.values.items() if not name.startswith(left_out)}
    return dataclasses.replace(reading, values=values)


def _without_object(joints: int) -> State:
    return State(
        joint_angles=np.zeros(joints),
        joint_velocities=np.zeros(joints),
        object_pose=np.array([*_AWAY_M, 1.0, 0.0, 0.0, 0.0]),
        object_velocity=np.zeros(6),
        warm_start=np.zeros(joints + 6),
    )

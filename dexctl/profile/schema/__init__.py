"""What a profile may say: every table and key, with its type, unit and bounds.

The structures hold no number of the paper: those stand in ``profiles/*.toml`` with their
source beside them. A key without a default must be given by the profile or by one it inherits.
"""

from __future__ import annotations

from dexctl.profile.schema.calibrate import Calibrate, FittedParameter, JointSensor
from dexctl.profile.schema.kinds import Table, Vector
from dexctl.profile.schema.learning import PPO, Evaluate, Network, Policy, Rollout, Run, Wire
from dexctl.profile.schema.randomize import (
    ActionNoise,
    Backlash,
    Delay,
    Force,
    MarkerLoss,
    Occlusion,
    Randomize,
    RandomizeAppearance,
    RandomizeObservation,
    RandomizePhysics,
    RandomizePose,
    RandomizeUnmodeled,
    Timing,
)
from dexctl.profile.schema.render import Render
from dexctl.profile.schema.robot import Gap, Robot, RobotCamera, Ros, Safety, Sensors
from dexctl.profile.schema.scene import Actuator, Camera, Hand, HandNames, Joint, Marker, Object, Physics
from dexctl.profile.schema.task import Action, Reward, Task
from dexctl.profile.schema.vision import Vision, VisionNetwork, VisionTraining

__all__ = [
    "PPO",
    "Action",
    "ActionNoise",
    "Actuator",
    "Backlash",
    "Calibrate",
    "Camera",
    "Delay",
    "Evaluate",
    "FittedParameter",
    "Force",
    "Gap",
    "Hand",
    "HandNames",
    "Joint",
    "JointSensor",
    "Marker",
    "MarkerLoss",
    "Network",
    "Object",
    "Occlusion",
    "Physics",
    "Policy",
    "Profile",
    "Randomize",
    "RandomizeAppearance",
    "RandomizeObservation",
    "RandomizePhysics",
    "RandomizePose",
    "RandomizeUnmodeled",
    "Render",
    "Reward",
    "Robot",
    "RobotCamera",
    "Rollout",
    "Ros",
    "Run",
    "Safety",
    "Sensors",
    "Table",
    "Task",
    "Timing",
    "Vector",
    "Vision",
    "VisionNetwork",
    "VisionTraining",
    "Wire",
]


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
    render: Render = Render()
    vision: Vision | None = None
    robot: Robot | None = None
    calibrate: Calibrate | None = None

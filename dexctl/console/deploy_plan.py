"""What ``dexctl deploy`` was asked for, and whether it can be done."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec

from dexctl.console.deploy_session import DeployPlan, default_recording
from dexctl.console.serve_session import robot_of
from dexctl.policy import checkpoint
from dexctl.policy.opening import BASELINES, open_policy
from dexctl.profile.load import adjust, load
from dexctl.robot.goal_file import read_goals
from dexctl.wire.keys import worker_keys


@dataclasses.dataclass(frozen=True)
class DeployOrder:
    """The options of ``dexctl deploy``."""

    robot: str
    policy: str
    profile: str
    vision: str | None
    goals: str
    trials: int
    arm: bool
    average: float | None
    seed: int
    greedy: bool
    recording: Path | None
    images: bool
    timeout_s: float
    key: Path | None
    server_key: Path | None
    settings: tuple[str, ...]


def plan_deploy(order: DeployOrder) -> DeployPlan:
    """Opens what the order names; no robot is asked yet.

    Raises:
        UsageError, MissingError, DataError, ProtocolError, ProfileError, RefusedError: something is wrong with it.
    """
    keys = worker_keys(order.key, order.server_key)
    loaded = load(order.profile)
    # Before anything else is opened: a profile without a robot is told first.
    robot_of(loaded)
    goals = None if order.goals == "random" else read_goals(Path(order.goals))
    learned = loaded.profile if order.policy in BASELINES else open_policy(order.policy, None).profile
    profile = adjust(learned, order.settings, order.policy)
    if order.average is not None:
        profile = msgspec.structs.replace(
            profile, action=msgspec.structs.replace(profile.action, average=order.average)
        )
    estimator = None
    if order.vision:
        from dexctl.vision.estimator import Estimator
        from dexctl.vision.opening import locate_estimator

        estimator = Estimator.open(checkpoint.read(locate_estimator(order.vision)))
    return DeployPlan(
        address=order.robot,
        robot_profile=loaded.profile,
        policy=open_policy(order.policy, profile, order.greedy),
        estimator=estimator,
        vision=order.vision or "",
        goals=goals,
        trials=order.trials,
        seed=order.seed,
        armed=order.arm,
        images=order.images,
        recording=order.recording or default_recording(),
        keys=keys,
        connect_s=order.timeout_s,
    )

"""What ``dexctl deploy`` was asked for, and whether it can be done."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec

from dexctl.console.deploy_session import DeployPlan, default_recording
from dexctl.console.serve_session import robot_of
from dexctl.errors import UsageError
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
    if (order.key is None) != (order.server_key is None):
        raise UsageError("--key and --server-key go together", "'dexctl keygen PATH' makes key pairs.")
    keys = worker_keys(order.key, order.server_key) if order.key and order.server_key else None
    loaded = load(order.profile)
    robot_profile = robot_of(loaded)
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
        robot_profile=robot_profile,
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

"""From what a user names as a policy to something that chooses actions: a run, a checkpoint, a baseline."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import msgspec

from dexctl.errors import ProtocolError, UsageError
from dexctl.policy import checkpoint
from dexctl.policy.actor import Actor
from dexctl.policy.choosing import Chooser, PolicyChooser, RandomChooser, ZeroChooser
from dexctl.policy.naming import BASELINES, locate
from dexctl.profile.schema import Profile
from dexctl.reorient.action import num_actuators


@dataclasses.dataclass(frozen=True)
class OpenPolicy:
    """A policy ready to act.

    Attributes:
        name: as the user named it.
        profile: what it acts in: the one asked for, or the one it was trained with.
        chooser: makes its memory for so many rows.
        steps: transitions it learned from; 0 for a baseline.
        actor: its network; None for a baseline.
    """

    name: str
    profile: Profile
    chooser: Callable[[int], Chooser]
    steps: int = 0
    actor: Actor | None = None


def open_policy(name: str, profile: Profile | None, greedy: bool = False) -> OpenPolicy:
    """Opens a policy.

    Args:
        name: ``random``, ``zero``, a run folder, a checkpoint, or the name of a shipped policy.
        profile: to act in, with the networks of the policy in place of its own; None for the one it was trained with.
        greedy: the likeliest action in place of a sampled one.

    Raises:
        UsageError: a baseline without a profile.
        MissingError, DataError, ProtocolError: no checkpoint, a damaged one, one that does not fit the profile.
    """
    if name in BASELINES:
        if profile is None:
            raise UsageError(f"--policy {name} needs --profile", "Name the task it is to be measured on.")
        make = RandomChooser if name == "random" else ZeroChooser
        bins = profile.action.bins
        return OpenPolicy(name, profile, lambda rows: make(bins))
    saved = checkpoint.read(locate(name))
    profile = profile or saved.profile
    _check_fit(saved, profile)
    # What it sees, and how that is told, a policy brings along.
    task = msgspec.structs.replace(profile.task, angular_velocity=saved.profile.task.angular_velocity)
    profile = msgspec.structs.replace(profile, policy=saved.profile.policy, task=task)
    checkpoint.check_shapes(saved, "actor.", lambda: Actor(profile, num_actuators(profile)))
    actor = Actor(profile, num_actuators(profile))
    checkpoint.load_into(actor, saved, "actor.")
    observe = tuple(profile.policy.actor.observe)
    steps = saved.header.progress.steps
    return OpenPolicy(name, profile, lambda rows: PolicyChooser(actor, observe, rows, greedy), steps, actor)


def _check_fit(saved: checkpoint.Checkpoint, profile: Profile) -> None:
    trained = saved.profile
    compared = (
        ("hand.model", trained.hand.model, profile.hand.model),
        ("hand.actuators", list(trained.hand.actuators), list(profile.hand.actuators)),
        ("hand.joints", list(trained.hand.joints), list(profile.hand.joints)),
        ("object.kind", trained.object.kind, profile.object.kind),
        ("action.bins", trained.action.bins, profile.action.bins),
    )
    for key, was, wanted in compared:
        if was != wanted:
            raise ProtocolError(
                f"{saved.path}: trained with {key} = {was}, the profile has {wanted}",
                "Leave --profile away, or use one that the policy fits.",
            )

"""From what a command line calls a policy to one that chooses: a baseline, a run, a checkpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import msgspec

from dexctl.errors import ProtocolError, UsageError
from dexctl.policy import checkpoint
from dexctl.policy.actor import Actor
from dexctl.policy.choosing import Chooser, PolicyChooser, RandomChooser, ZeroChooser
from dexctl.profile.schema import Profile
from dexctl.scene import names

BASELINES = {"random": RandomChooser, "zero": ZeroChooser}


@dataclasses.dataclass(frozen=True)
class Policy:
    """A policy and the profile it acts in.

    Attributes:
        name: as it was asked for.
        profile: with the networks that the policy has.
        chooser: makes the policy for so many rows.
    """

    name: str
    profile: Profile
    chooser: Callable[[int], Chooser]


def find_policy(name: str, profile: Profile | None, greedy: bool = False) -> Policy:
    """Finds a policy.

    Args:
        name: ``random``, ``zero``, a run folder or a checkpoint.
        profile: to act in; None takes the one that the policy was trained with.
        greedy: the likeliest action in place of a sampled one.

    Raises:
        UsageError: a baseline was trained with no profile, and none is given.
        MissingError: there is no such run or checkpoint.
        DataError: it is damaged, or not a checkpoint.
        ProtocolError: it is of a newer format, or acts otherwise than the profile wants.
    """
    if name in BASELINES:
        if profile is None:
            raise UsageError(f"policy '{name}' comes with no profile", "Give --profile.")
        bins = profile.action.bins
        return Policy(name, profile, lambda rows: BASELINES[name](bins))
    saved = checkpoint.read(Path(name))
    profile = profile or saved.profile
    _check_fit(saved.path, saved.profile, profile)
    # The networks are those of the checkpoint, whatever the profile would make.
    profile = msgspec.structs.replace(profile, policy=saved.profile.policy)
    actor = Actor(profile, len(names.ACTUATORS))
    checkpoint.load_into(actor, saved, "actor.")
    observe = tuple(profile.policy.actor.observe)
    return Policy(name, profile, lambda rows: PolicyChooser(actor, observe, rows, greedy))


def _check_fit(path: Path, trained: Profile, wanted: Profile) -> None:
    for key, mine, theirs in (
        ("hand.model", wanted.hand.model, trained.hand.model),
        ("action.bins", wanted.action.bins, trained.action.bins),
        ("task.angular_velocity", wanted.task.angular_velocity, trained.task.angular_velocity),
    ):
        if mine != theirs:
            raise ProtocolError(
                f"{path}: trained with {key} = {theirs}, the profile has {mine}", "Use the profile it was trained with."
            )

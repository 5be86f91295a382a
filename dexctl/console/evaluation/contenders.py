"""The policies of an evaluation, each on each profile that was named, opened and checked before any trial."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from dexctl.console.evaluation.question import Question
from dexctl.errors import UsageError
from dexctl.policy.opening import BASELINES, OpenPolicy, open_policy
from dexctl.profile.load import adjust, load
from dexctl.profile.schema import Profile

# A policy brings its networks along, so these keys of the profile would be read by nobody.
_BROUGHT = "policy."


@dataclasses.dataclass(frozen=True)
class Contender:
    """A policy on a profile.

    Attributes:
        profile: its name, or that of the policy whose profile it is.
    """

    policy: OpenPolicy
    profile: str

    @property
    def name(self) -> str:
        """The policy, as the user named it."""
        return self.policy.name


def open_contenders(question: Question) -> list[Contender]:
    """Opens every policy on every profile; without a profile, on that of the first trained policy.

    Raises:
        UsageError, MissingError, DataError, ProtocolError, ProfileError: see ``open_policy`` and ``load``.
    """
    for setting in question.set:
        if setting.startswith(_BROUGHT):
            raise UsageError(f"--set {setting}: a policy brings its own networks", "Leave it away.")
    return [
        Contender(open_policy(policy, profile, question.greedy), name)
        for name, profile in _profiles(question.policy, question.profile, question.set)
        for policy in question.policy
    ]


def _profiles(
    policies: Sequence[str], named: Sequence[str], settings: Sequence[str]
) -> Iterator[tuple[str, Profile | None]]:
    if named:
        yield from ((name, load(name, settings).profile) for name in named)
        return
    trained = next((name for name in policies if name not in BASELINES), None)
    if trained is None:
        yield "", None
    else:
        yield trained, adjust(open_policy(trained, None).profile, settings, trained)

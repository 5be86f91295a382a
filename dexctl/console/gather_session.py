"""One ``dexctl simulate --states``: states of a policy at play, written and announced."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec

from dexctl.console.events import Events
from dexctl.console.output import Output
from dexctl.console.progress import Progress
from dexctl.console.signals import Signals
from dexctl.errors import CreateError
from dexctl.policy.opening import OpenPolicy
from dexctl.profile.load import digest
from dexctl.rollout.gathering import gather
from dexctl.store.states import StatesMetadata, StatesWriter


@dataclasses.dataclass(frozen=True)
class GatherPlan:
    """What was asked for; see the options of ``dexctl simulate``.

    Attributes:
        states: how many the dataset is to have.
        every: control steps from one state to the next of the same hand.
    """

    policy: OpenPolicy
    seed: int
    states: int
    every: int
    path: Path


def check_gather(plan: GatherPlan) -> None:
    """Checks that the dataset can be made, and touches nothing.

    Raises:
        CreateError: it cannot.
    """
    if not plan.path.absolute().parent.is_dir():
        raise CreateError(f"{plan.path}: there is no folder {plan.path.parent}", "Make it, or give another.")


def run_gather(plan: GatherPlan, output: Output) -> None:
    """Gathers states; a dataset that was begun is gone on with.

    Raises:
        CreateError, InputOutputError: the dataset cannot be written.
        Stopped: a signal; what was gathered until then is kept.
    """
    check_gather(plan)
    profile = plan.policy.profile
    with (
        Signals() as signals,
        Events("simulate", output.event_stream(), profile_digest=digest(profile), seed=plan.seed) as events,
    ):
        metadata = StatesMetadata(
            profile=msgspec.to_builtins(profile),
            profile_digest=digest(profile),
            policy=plan.policy.name,
            seed=plan.seed,
            positions=_positions(plan.policy),
        )

        def announce(start: int, stop: int) -> None:
            events.emit("rows", dataset=str(plan.path), start=start, stop=stop)

        with (
            Progress("states", quiet=output.quiet) as progress,
            StatesWriter(plan.path, metadata, announce) as writer,
        ):
            if writer.committed:
                announce(0, writer.committed)
            made = writer.committed
            rows = gather(plan.policy, plan.seed, plan.every, writer.committed)
            while made < plan.states and signals.stopped_by is None:
                some = {name: values[: plan.states - made] for name, values in next(rows).items()}
                writer.append(some)
                made += len(some["episode"])
                progress.update({"states": made})
        signals.raise_if_stopped()
    output.made(plan.path)


def _positions(policy: OpenPolicy) -> int:
    from dexctl.scene.build import build_scene

    return build_scene(policy.profile).model.nq

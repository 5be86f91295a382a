"""One ``dexctl simulate --states``: states of a policy at play, written and announced."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path

import msgspec

from dexctl.console.events import Events
from dexctl.console.output import Output
from dexctl.console.progress import Progress
from dexctl.console.row_stream import Binding, sending
from dexctl.console.signals import Signals
from dexctl.policy.opening import OpenPolicy
from dexctl.profile.load import digest
from dexctl.rollout.gathering import gather
from dexctl.store.rows import Column
from dexctl.store.states import BLOCK_ROWS, COLUMNS, States, StatesMetadata, StatesWriter
from dexctl.wire.row_sender import RowSender


@dataclasses.dataclass(frozen=True)
class GatherPlan:
    """What was asked for; see the options of ``dexctl simulate``.

    Attributes:
        states: how many the dataset is to have.
        every: control steps from one state to the next of the same hand.
        path: of the dataset, None for none.
        binding: where states can be fetched, None for nowhere.
    """

    policy: OpenPolicy
    seed: int
    states: int
    every: int
    path: Path | None
    binding: Binding | None


def run_gather(plan: GatherPlan, output: Output) -> None:
    """Gathers states; a dataset that was begun is gone on with.

    Raises:
        InputOutputError: the dataset cannot be written.
        UnavailableError: who fetched states is gone.
        Stopped: a signal; what was gathered until then is kept.
    """
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

        def stop() -> bool:
            return signals.stopped_by is not None

        with Progress("states", quiet=output.quiet) as progress, contextlib.ExitStack() as outputs:
            writer = outputs.enter_context(StatesWriter(plan.path, metadata, announce)) if plan.path else None
            made = writer.committed if writer else 0
            if made:
                announce(0, made)
            sender = None
            if plan.binding:
                columns = COLUMNS | {"qpos": Column("float32", (metadata.positions,), "finite")}
                sender = outputs.enter_context(
                    sending(plan.binding, "states", metadata, columns, profile.wire, events, output, stop)
                )
                if plan.path and not _send_again(sender, States(plan.path), stop):
                    made = plan.states
            rows = gather(plan.policy, plan.seed, plan.every, made)
            while made < plan.states and not stop():
                some = {name: values[: plan.states - made] for name, values in next(rows).items()}
                if writer:
                    writer.append(some)
                if sender and not sender.send(made, some, stop):
                    break
                made += len(some["episode"])
                progress.update({"states": made})
                if signals.take_status_request():
                    events.emit("status", states=made)
        signals.raise_if_stopped()
    if plan.path:
        output.made(plan.path)


def _send_again(sender: RowSender, states: States, stop: Callable[[], bool]) -> bool:
    """Sends what a dataset had before; whether more is wanted."""
    for start in range(0, len(states), BLOCK_ROWS):
        if not sender.send(start, states.read(start, min(start + BLOCK_ROWS, len(states)), tuple(COLUMNS)), stop):
            return False
    return True


def _positions(policy: OpenPolicy) -> int:
    from dexctl.scene.build import build_scene

    return build_scene(policy.profile).model.nq

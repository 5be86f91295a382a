"""What every optimizer process of a training has: an endpoint, local workers, its part of the cores."""

from __future__ import annotations

import contextlib
import os
import resource
from pathlib import Path

import torch

from dexctl.console.optimizer_processes import Company
from dexctl.console.training_plan import Place, Plan
from dexctl.ppo.experience import Experience
from dexctl.ppo.training import Training
from dexctl.profile.load import Loaded
from dexctl.reorient.action import num_actuators
from dexctl.rollout.local_workers import LocalWorkers
from dexctl.rollout.own_worker import OwnWorker
from dexctl.rollout.segment import segment_layout
from dexctl.wire.kept_memory import keep_freed_memory
from dexctl.wire.optimizer import OptimizerEndpoint


def experience(loaded: Loaded, plan: Plan, place: Place, run: Path) -> contextlib.AbstractContextManager[Experience]:
    """Where this process has its experience from; leave the context and it serves no more.

    Args:
        run: folder of the run, for failing simulations of this process.
    """
    if plan.fused:
        return contextlib.nullcontext(OwnWorker(loaded.profile, run / "failures"))
    return bound(loaded, plan, place)


def waited_for(plan: Plan, place: Place) -> int | None:
    """How many workers every update of this process waits for; None takes what comes."""
    if plan.fused:
        return 1
    return place.sync_workers(plan.workers) if plan.sync else None


def bound(loaded: Loaded, plan: Plan, place: Place) -> OptimizerEndpoint:
    """The endpoint of this process, for as many workers as the system lets it have."""
    # Two descriptors a worker; the usual soft limit of 1,024 is a matter of old programs.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    keep_freed_memory()
    profile = loaded.profile
    return OptimizerEndpoint(
        place.bind(plan.bind),
        loaded.profile_json(),
        loaded.digest,
        segment_layout(profile, num_actuators(profile)),
        profile.wire,
        profile.run.seed,
        plan.keys,
        plan.insecure,
        place.indices(),
        local_names(plan, place) if plan.sync else None,
    )


def local_names(plan: Plan, place: Place) -> frozenset[str]:
    """Names of the workers that this machine's first process starts, for all processes on it."""
    return frozenset(f"{_first_name(place)}-{index}" for index in range(plan.workers))


def _first_name(place: Place) -> str:
    first = place.rank - place.local_rank
    return f"local-{first}" if first else "local"


def local_workers(plan: Plan, place: Place, company: Company, training: Training, run: Path) -> LocalWorkers:
    """Workers of this machine, started by its first process; none by the others.

    Synchronous ones are dealt out to the machine's processes, others choose one themselves.
    """
    endpoints = company.endpoints[place.rank : place.rank + place.local_count]
    options = [*plan.worker_options, "--dumps", str(run / "failures")]
    if plan.sync:
        options += ["--segments-per-version", str(training.segments_per_version)]
    count = 0 if place.local_rank else plan.workers
    return LocalWorkers(count, endpoints, run / "workers", options, dealt=plan.sync, name=_first_name(place))


def share_cores(place: Place) -> None:
    """Gives each of several processes on a machine its part of the cores."""
    if place.count > 1:
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // place.local_count))

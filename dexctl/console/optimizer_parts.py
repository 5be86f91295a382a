"""What every optimizer process of a training has: an endpoint, local workers, its part of the cores."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import torch

from dexctl.console.optimizer_processes import Company
from dexctl.console.training_plan import Place, Plan
from dexctl.ppo.training import Training
from dexctl.profile.load import Loaded
from dexctl.reorient.action import num_actuators
from dexctl.rollout.local_workers import LocalWorkers
from dexctl.rollout.segment import segment_layout
from dexctl.wire.optimizer import OptimizerEndpoint


def bound(loaded: Loaded, plan: Plan, place: Place) -> OptimizerEndpoint:
    """The endpoint of this process, for as many workers as the system lets it have."""
    # Two descriptors a worker; the usual soft limit of 1,024 is a matter of old programs.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
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

"""A rollout worker: fetch the newest policy, act for a segment, send it, again."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
import torch

from dexctl.errors import ProtocolError
from dexctl.policy.weights import from_arrays
from dexctl.profile import schema
from dexctl.rollout.collector import Clocks, Collector
from dexctl.wire.worker import Welcome, WorkerEndpoint


def profile_of(welcome: Welcome, threads: int) -> schema.Profile:
    """The optimizer's profile, with this machine's number of threads.

    Raises:
        ProtocolError: it is not a profile of this program.
    """
    try:
        profile = msgspec.json.decode(welcome.profile_json, type=schema.Profile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(
            f"the optimizer's profile cannot be read: {error}", "Give both sides one version of dexctl."
        ) from error
    return msgspec.structs.replace(profile, physics=msgspec.structs.replace(profile.physics, threads=threads))


def work(
    endpoint: WorkerEndpoint,
    welcome: Welcome,
    threads: int,
    segments_per_version: int = 0,
    on_segment: Callable[[int, Clocks], None] = lambda version, clocks: None,
    dump_folder: Path | None = None,
    backend: Literal["cpu", "warp"] | None = None,
) -> None:
    """Works until the endpoint says that it is over, by one of the exceptions it raises.

    Args:
        welcome: what the optimizer said at joining.
        threads: of physics and of inference.
        segments_per_version: wait for the next policy after so many; 0 never waits.
        on_segment: called with the policy's version after each segment sent, and seconds by use.
        dump_folder: where failing simulations are written down.
        backend: steps the simulations here; None for what the optimizer's profile says.
    """
    if threads:
        torch.set_num_threads(threads)
    profile = profile_of(welcome, threads)
    physics = msgspec.structs.replace(profile.physics, backend=backend or profile.physics.backend)
    profile = msgspec.structs.replace(profile, physics=physics)
    newer = endpoint.parameters(wait_for=1)
    assert newer is not None
    version, sent, sending_s = newer[0], 0, 0.0
    # A worker that comes back, to a training that goes on, must not live the same episodes again.
    collector = Collector(profile, welcome.seed, welcome.worker_index, dump_folder, updates=version - 1)
    while True:
        if newer is not None:
            version, arrays = newer
            from_arrays(collector.actor, arrays)
            sent = 0
        # The segment's before: this one is not sent yet.
        collector.clocks.total += sending_s
        segment = collector.collect()
        clocks = collector.clocks
        before = time.perf_counter()
        endpoint.send(version, segment, {**collector.report(), "sending_s": sending_s})
        sending_s = time.perf_counter() - before
        sent += 1
        on_segment(version, clocks)
        newer = endpoint.parameters(wait_for=version + 1 if sent == segments_per_version else None)

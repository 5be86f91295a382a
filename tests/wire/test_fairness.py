"""Many workers that all want more than there is: all are served, and none much more than another."""

import contextlib
import json
import resource
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from dexctl.wire.arrivals import Segment
from dexctl.wire.layout import ArrayLayout, Layout
from dexctl.wire.worker import Dismissed

BENCH = Path(__file__).parents[2] / "tools" / "bench"
# 48 KiB a segment: of the smallest buffer, less than half a credit a worker.
LAYOUT = Layout(4, 1024, (ArrayLayout("observation", "float32", ("T", "N", 3)),))
# The same of few steps of one hand.
SMALL = Layout(4, 1, LAYOUT.arrays)
FAIR = 0.2
# A front end has two descriptors a worker, and some of its own.
DESCRIPTORS_A_WORKER = 2
OTHER_DESCRIPTORS = 200


def serve(optimizer, workers, each, until):
    """Segments by worker, from when each of them has been served once until there are so many a worker."""

    def take(served):
        before = served.total()
        for arrival in optimizer.receive(0.1):
            if isinstance(arrival, Segment):
                optimizer.acknowledge(arrival)
                served[arrival.worker] += 1
        return served.total() > before

    # One at a time, so that only a standstill is waited for in vain.
    begun, served = Counter(), Counter()
    while len(begun) < workers:
        until(lambda: take(begun), f"more than {begun.total()} segments")
        assert begun.total() < workers * each, f"{workers - len(begun)} of {workers} workers are not served at all"
    while served.total() < workers * each:
        until(lambda: take(served), f"more than {served.total()} segments")
    return served


def assert_alike(served, workers):
    assert len(served) == workers
    mean = served.total() / workers
    assert min(served.values()) >= (1 - FAIR) * mean
    assert max(served.values()) <= (1 + FAIR) * mean


@pytest.mark.parametrize("buffer_mib", [64, 1], ids=["plenty", "scarce"])
def test_fifty_workers_at_once_are_served_alike(make_optimizer, make_worker, wire_with, arrays, until, buffer_mib):
    optimizer = make_optimizer(layout=LAYOUT, wire=wire_with(buffer_mib=buffer_mib, heartbeat_s=1.0, timeout_s=60.0))
    workers = [make_worker(optimizer.endpoint) for _ in range(50)]
    segment = arrays(layout=LAYOUT)

    def send(worker):
        with contextlib.suppress(Dismissed):
            while True:
                worker.send(0, segment)

    threads = [threading.Thread(target=send, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        served = serve(optimizer, len(workers), 60, until)
    finally:
        optimizer.dismiss("enough")
        for thread in threads:
            thread.join(60)
    assert_alike(served, len(workers))


@pytest.fixture
def descriptors():
    """As many as this process may have."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.slow
def test_6144_workers_at_once_are_served_alike(make_optimizer, arrays, until, descriptors, tmp_path):
    from recorded import Recorded
    from scale_peers import WIRE

    workers = 6144
    if descriptors < workers * DESCRIPTORS_A_WORKER + OTHER_DESCRIPTORS:
        pytest.skip(f"a process may have {descriptors} descriptors here")
    frames = [bytes(frame) for frame in SMALL.frames(arrays(layout=SMALL))]
    recorded = tmp_path / "segment"
    recorded.write_bytes(msgspec.msgpack.encode(Recorded(SMALL, {}, frames, 0)))
    optimizer = make_optimizer(layout=SMALL, wire=WIRE)
    crowd = {"endpoints": [optimizer.endpoint], "workers": workers, "steps_per_s": 0, "recorded": str(recorded)}
    command = [sys.executable, str(BENCH / "scale_peers.py"), "workers", json.dumps(crowd)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert json.loads(process.stdout.readline()) == {"joined": workers}
            served = serve(optimizer, workers, 30, until)
        finally:
            process.kill()
    assert_alike(served, workers)

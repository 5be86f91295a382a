import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from dexctl.errors import ProtocolError, UnavailableError, UsageError
from dexctl.wire.arrivals import Joined, Lost, Refused, Segment, Woken
from dexctl.wire.layout import ArrayLayout, Layout
from dexctl.wire.worker import Dismissed, Orphaned

BIG = Layout(4, 4096, (ArrayLayout("observation", "float32", ("T", "N", 16)), ArrayLayout("tag", "int32", ())))


def big_arrays(tag, rng=None):
    observation = np.zeros((4, 4096, 16), np.float32)
    if rng:
        rng.standard_normal(out=observation, dtype=np.float32)
    return {"observation": observation, "tag": np.array(tag, np.int32)}


@pytest.fixture
def pair(make_optimizer, make_worker, inbox_of):
    optimizer = make_optimizer()
    inbox = inbox_of(optimizer)
    return optimizer, make_worker(optimizer.endpoint), inbox


def test_a_worker_is_given_what_it_needs(make_optimizer, make_worker, inbox_of, layout):
    optimizer = make_optimizer()
    worker = make_worker(optimizer.endpoint, join=False, name="left hand")
    welcome = worker.join()
    assert (welcome.worker_index, welcome.seed, welcome.profile_json) == (0, 7, b'{"a":1}')
    assert welcome.layout == layout
    (joined,) = inbox_of(optimizer).wait(Joined)
    assert (joined.worker, joined.name, joined.pid) == (0, "left hand", os.getpid())


def test_a_worker_that_a_synchronous_optimizer_does_not_wait_for_is_told_on_both_sides(
    make_optimizer, make_worker, inbox_of
):
    optimizer = make_optimizer(only=frozenset({"local-0"}))
    other = make_worker(optimizer.endpoint, join=False, name="mine", timeout_s=1.0)
    with pytest.raises(UnavailableError, match="synchronous and takes its own workers alone, not mine"):
        other.join()
    (refused,) = inbox_of(optimizer).wait(Refused)
    assert "not mine" in refused.reason
    assert make_worker(optimizer.endpoint, name="local-0").join().worker_index == 0


def test_a_segment_arrives_as_it_was_sent(pair, arrays):
    _, worker, inbox = pair
    rng = np.random.default_rng(1)
    sent = arrays(3)
    rng.standard_normal(out=sent["observation"], dtype=np.float32)
    sent["action"][:] = rng.integers(0, 11, sent["action"].shape)
    sent["done"][:] = rng.random(sent["done"].shape) < 0.5
    assert worker.send(0, sent, {"reward": 1.5})
    (segment,) = inbox.wait(Segment)
    assert (segment.worker, segment.header.version, segment.header.report) == (0, 0, {"reward": 1.5})
    for name, array in sent.items():
        assert np.array_equal(segment.arrays[name], array)
        assert segment.arrays[name].dtype == array.dtype


def test_received_arrays_lie_in_the_frames_they_came_in(make_optimizer, make_worker, inbox_of):
    optimizer = make_optimizer(layout=BIG)
    worker = make_worker(optimizer.endpoint)
    worker.send(0, big_arrays(1, np.random.default_rng(1)))
    (segment,) = inbox_of(optimizer).wait(Segment)
    base = segment.arrays["observation"]
    while isinstance(base, np.ndarray):
        assert not base.flags.owndata
        base = base.base
    assert "Frame" in type(base.obj).__name__


def test_what_was_sent_can_not_be_written_to_any_more(pair, arrays):
    _, worker, _ = pair
    sent = arrays()
    worker.send(0, sent)
    with pytest.raises(ValueError, match="read-only"):
        sent["observation"][0] = 1


def test_large_segments_are_not_mixed_up(make_optimizer, make_worker, inbox_of):
    optimizer = make_optimizer(layout=BIG)
    inbox = inbox_of(optimizer)
    worker = make_worker(optimizer.endpoint)

    def send():
        for tag in range(60):
            rng = np.random.default_rng(tag)
            worker.send(0, big_arrays(tag, rng))

    sender = threading.Thread(target=send)
    sender.start()
    segments = inbox.wait(Segment, 60)
    sender.join(20)
    assert inbox.tags() == list(range(60))
    for segment in segments:
        expected = big_arrays(0, np.random.default_rng(int(segment.arrays["tag"])))["observation"]
        assert np.array_equal(segment.arrays["observation"], expected)


def test_a_worker_out_of_credit_waits_until_a_segment_is_taken(
    make_optimizer, make_worker, inbox_of, wire_with, arrays
):
    optimizer = make_optimizer(wire=wire_with(credits=2))
    inbox = inbox_of(optimizer, acknowledge=False)
    worker = make_worker(optimizer.endpoint)
    sent = []

    def send():
        for tag in range(3):
            worker.send(0, arrays(tag))
            sent.append(tag)

    sender = threading.Thread(target=send)
    sender.start()
    segments = inbox.wait(Segment, 2)
    optimizer.receive(0.3)
    assert sent == [0, 1]
    optimizer.acknowledge(segments[0])
    inbox.wait(Segment, 3)
    sender.join(20)
    assert sent == [0, 1, 2]


def test_all_workers_together_keep_to_the_buffer(make_optimizer, make_worker, inbox_of, wire_with):
    # Room for five segments of a MiB; three workers may have four each.
    optimizer = make_optimizer(layout=BIG, wire=wire_with(buffer_mib=6))
    inbox = inbox_of(optimizer, acknowledge=False)
    workers = [make_worker(optimizer.endpoint) for _ in range(3)]

    def send(worker):
        for tag in range(4):
            worker.send(0, big_arrays(tag))

    senders = [threading.Thread(target=send, args=(worker,)) for worker in workers]
    for sender in senders:
        sender.start()
    inbox.wait(Segment, 5)
    for _ in range(5):
        inbox.pump(0.1)
    assert len(inbox.of(Segment)) == 5
    inbox.acknowledge = True
    for segment in inbox.of(Segment):
        optimizer.acknowledge(segment)
    inbox.wait(Segment, 12)
    for sender in senders:
        sender.join(20)
    counts = [sum(segment.worker == index for segment in inbox.of(Segment)) for index in range(3)]
    assert counts == [4, 4, 4]


def test_a_view_of_each_worker_for_people(pair, arrays):
    optimizer, worker, inbox = pair
    worker.send(0, arrays())
    inbox.wait(Segment)
    (view,) = optimizer.workers()
    assert (view.worker, view.segments, view.pid, view.address) == (0, 1, os.getpid(), "127.0.0.1")
    assert view.silent_s < 10


def test_a_worker_that_says_goodbye_is_gone_at_once_and_its_index_is_free(pair, make_worker):
    optimizer, worker, inbox = pair
    worker.close()
    (lost,) = inbox.wait(Lost)
    assert lost.reason == "said goodbye"
    assert optimizer.workers() == []
    make_worker(optimizer.endpoint)
    assert inbox.wait(Joined, 2)[1].worker == 0


def test_fifty_workers_join_at_once(make_optimizer, make_worker, inbox_of, arrays):
    optimizer = make_optimizer()
    inbox = inbox_of(optimizer)
    workers = [make_worker(optimizer.endpoint, join=False) for _ in range(50)]
    assert sorted(worker.join().worker_index for worker in workers) == list(range(50))
    for worker in workers:
        worker.send(0, arrays())
    assert {segment.worker for segment in inbox.wait(Segment, 50)} == set(range(50))


def test_workers_that_start_first_wait_for_the_optimizer(make_optimizer, make_worker, free_port):
    endpoint = f"tcp://127.0.0.1:{free_port}"
    worker = make_worker(endpoint, join=False)
    joined = threading.Thread(target=worker.join)
    joined.start()
    joined.join(0.3)
    assert joined.is_alive()
    make_optimizer(endpoint)
    joined.join(20)
    assert not joined.is_alive()


def test_a_worker_gives_up_when_nobody_answers(make_worker, free_port):
    worker = make_worker(f"tcp://127.0.0.1:{free_port}", join=False, timeout_s=0.4)
    with pytest.raises(UnavailableError, match="no optimizer answers"):
        worker.join()


def test_a_worker_moves_to_another_optimizer_when_its_own_is_gone(make_optimizer, make_worker, inbox_of, until, arrays):
    optimizers = [make_optimizer(), make_optimizer()]
    inboxes = [inbox_of(optimizer) for optimizer in optimizers]
    worker = make_worker(*(optimizer.endpoint for optimizer in optimizers))
    worker.send(0, arrays(0))
    first = next(i for i, optimizer in enumerate(optimizers) if optimizer.workers())
    inboxes[first].wait(Segment)
    optimizers[first].close()

    def noticed():
        inboxes[1 - first].pump()
        return not worker.connected or inboxes[1 - first].of(Joined)

    # What is sent before it is noticed may have reached the first, and is not sent to another.
    until(noticed, "the worker to notice")
    worker.send(0, arrays(1))
    inboxes[1 - first].wait(Segment)
    assert inboxes[1 - first].tags()[-1] == 1


@pytest.mark.parametrize(("ours", "theirs"), [("d2", ""), ("d1", "layout")])
def test_another_profile_or_layout_is_refused_on_both_sides(make_optimizer, make_worker, inbox_of, ours, theirs):
    optimizer = make_optimizer()
    worker = make_worker(optimizer.endpoint, digest=ours, layout=BIG if theirs else None, join=False)
    with pytest.raises(ProtocolError, match="layout" if theirs else "profile"):
        worker.join()
    (refused,) = inbox_of(optimizer).wait(Refused)
    assert ("layout" if theirs else "profile") in refused.reason
    assert optimizer.workers() == []


def test_the_same_profile_and_layout_are_let_in(make_optimizer, make_worker, layout):
    optimizer = make_optimizer()
    make_worker(optimizer.endpoint, digest="d1", layout=layout)
    assert len(optimizer.workers()) == 1


def test_dismissed_workers_stop_whatever_they_wait_for(pair):
    optimizer, worker, _ = pair
    optimizer.dismiss("enough updates")
    with pytest.raises(Dismissed, match="enough updates"):
        worker.parameters(wait_for=1)


def test_a_worker_whose_optimizer_stays_away_leaves(make_optimizer, make_worker, wire_with):
    optimizer = make_optimizer()
    worker = make_worker(optimizer.endpoint, wire=wire_with(orphan_timeout_s=1.0))
    optimizer.close()
    with pytest.raises(Orphaned, match="no word from an optimizer") as orphaned:
        worker.parameters(wait_for=1)
    assert orphaned.value.code == 75


def test_an_optimizer_that_computes_is_not_taken_for_dead(pair, arrays):
    _, worker, inbox = pair
    deadline_s = time.monotonic() + 1.5
    while time.monotonic() < deadline_s:
        sum(range(100_000))
    worker.send(0, arrays(1))
    inbox.wait(Segment)
    assert inbox.of(Lost) == []
    assert len(inbox.of(Joined)) == 1


def test_heartbeats_are_those_of_the_optimizer(make_optimizer, make_worker, inbox_of, wire_with, arrays):
    optimizer = make_optimizer()
    inbox = inbox_of(optimizer)
    # On its own it would say too seldom that it lives, and wait for hours.
    worker = make_worker(optimizer.endpoint, wire=wire_with(heartbeat_s=1000.0, timeout_s=2000.0))
    deadline_s = time.monotonic() + 1.2
    while time.monotonic() < deadline_s:
        inbox.pump()
    worker.send(0, arrays())
    inbox.wait(Segment)
    assert inbox.of(Lost) == []


def test_a_signal_ends_an_optimizers_wait(make_optimizer):
    optimizer = make_optimizer()
    read, write = os.pipe()
    os.write(write, b"\2")
    try:
        assert optimizer.receive(20.0, read) == [Woken()]
        assert os.read(read, 9) == b"\2"
    finally:
        os.close(read)
        os.close(write)


def test_a_signal_ends_a_workers_wait(make_optimizer, make_worker):
    read, write = os.pipe()
    try:
        worker = make_worker(make_optimizer().endpoint, wakeup_fd=read)
        threading.Timer(0.1, os.write, (write, b"\2")).start()
        with pytest.raises(InterruptedError):
            worker.parameters(wait_for=1)
    finally:
        worker.close()
        os.close(read)
        os.close(write)


def test_a_signal_that_ends_nothing_is_answered_and_waited_on(make_optimizer, make_worker, arrays):
    read, write = os.pipe()
    asked = []

    def on_wakeup():
        asked.append(os.read(read, 9))
        if len(asked) == 2:
            raise KeyboardInterrupt

    try:
        worker = make_worker(make_optimizer().endpoint, wakeup_fd=read, on_wakeup=on_wakeup)
        os.write(write, b"\12")
        threading.Timer(0.1, os.write, (write, b"\2")).start()
        with pytest.raises(KeyboardInterrupt):
            worker.parameters(wait_for=1)
        assert asked == [b"\12", b"\2"]
        assert worker.connected
    finally:
        worker.close()
        os.close(read)
        os.close(write)


def test_ctrl_c_ends_a_process_that_waits_on_either_side(make_optimizer):
    program = """
import signal, socket, sys
from dexctl.profile.schema import Wire
from dexctl.wire.worker import WorkerEndpoint
near, far = socket.socketpair()
far.setblocking(False)
signal.set_wakeup_fd(far.fileno())
signal.signal(signal.SIGINT, lambda *_: None)
wire = Wire(credits=1, buffer_mib=1, heartbeat_s=0.1, timeout_s=1.0, orphan_timeout_s=60.0)
worker = WorkerEndpoint([sys.argv[1]], "", wire, wakeup_fd=near.fileno())
worker.join()
print("joined", flush=True)
try:
    worker.parameters(wait_for=1)
except InterruptedError:
    worker.close()
    print("left", flush=True)
"""
    command = [sys.executable, "-c", program, make_optimizer().endpoint]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "joined\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "left\n"
        assert process.wait(timeout=10) == 0


@pytest.mark.parametrize(
    "endpoint", ["127.0.0.1:1", "udp://127.0.0.1:1", "tcp://127.0.0.1", "tcp://h:1/x", "tcp://:9", "tcp://h:x"]
)
def test_only_tcp_endpoints_are_taken(make_optimizer, make_worker, endpoint):
    with pytest.raises(UsageError, match="tcp://HOST:PORT"):
        make_optimizer(endpoint)
    with pytest.raises(UsageError, match="tcp://HOST:PORT"):
        make_worker(endpoint)


def test_closing_twice_is_harmless_and_quick(make_optimizer, make_worker):
    optimizer = make_optimizer()
    worker = make_worker(optimizer.endpoint)
    started_s = time.monotonic()
    for end in (worker, worker, optimizer, optimizer):
        end.close()
    assert time.monotonic() - started_s < 3

"""Processes killed and stopped, links cut: nothing lost, nothing counted twice, all of it noticed."""

import itertools
import queue
import signal
import threading
import time

import numpy as np
import pytest

from dexctl.wire.arrivals import Joined, Lost, Segment
from dexctl.wire.layout import ArrayLayout, Layout

# A segment of 8 MiB: killing its sender most likely tears one.
LARGE = Layout(8, 4096, (ArrayLayout("observation", "float32", ("T", "N", 64)), ArrayLayout("tag", "int32", ())))


def published(optimizer):
    optimizer.publish(1, {"weight": np.zeros(3, np.float32)})
    return optimizer


def test_a_worker_killed_while_it_sends_is_noticed_and_the_rest_goes_on(make_optimizer, spawn, inbox_of):
    optimizer = published(make_optimizer(layout=LARGE))
    inbox = inbox_of(optimizer)
    for round_ in range(3):
        child = spawn("worker", endpoints=[optimizer.endpoint], name="left", segments=10_000)
        before = len(inbox.of(Segment))
        inbox.wait(Segment, before + 5)
        child.signal(signal.SIGKILL)
        assert inbox.wait(Lost, round_ + 1)[-1].reason == "its connection closed"
        tags = inbox.tags()[before:]
        assert tags == list(range(len(tags)))
    assert [joined.worker for joined in inbox.of(Joined)] == [0, 0, 0]
    other = spawn("worker", endpoints=[optimizer.endpoint], segments=5)
    inbox.wait(Joined, 4)
    before = len(inbox.of(Segment))
    inbox.wait(Segment, before + 5)
    optimizer.dismiss("enough")
    assert other.end() == 0


def test_a_killed_optimizer_loses_nothing_that_it_had_not_acknowledged(spawn, free_port):
    bind = f"tcp://127.0.0.1:{free_port}"
    last = 399
    first = spawn("optimizer", bind=bind)
    first.wait("listening")
    child = spawn("worker", endpoints=[bind], segments=last + 1)
    for _ in range(20):
        first.wait("taken")
    first.signal(signal.SIGKILL)
    first.end()
    second = spawn("optimizer", bind=bind, dismiss_at=last)
    assert child.end() == 0
    second.end()
    taken = [[line["tag"] for line in child.seen if line["event"] == "taken"] for child in (first, second)]
    assert taken[0] == list(range(len(taken[0])))
    # Up to its credits may have been taken by the first and not acknowledged.
    assert len(taken[0]) - 4 <= taken[1][0] <= len(taken[0])
    assert taken[1] == list(range(taken[1][0], last + 1))


def test_workers_of_an_optimizer_that_stays_dead_leave(spawn):
    optimizer = spawn("optimizer", bind="tcp://127.0.0.1:0")
    endpoint = optimizer.wait("listening")["endpoint"]
    worker = spawn("worker", endpoints=[endpoint], segments=10_000, orphan_timeout_s=1.5)
    worker.wait("sent")
    optimizer.signal(signal.SIGKILL)
    assert worker.end() == 75
    assert worker.seen[-1]["kind"] == "Orphaned"


def test_a_stopped_worker_is_noticed_and_goes_on_where_it_was(make_optimizer, spawn, inbox_of):
    optimizer = published(make_optimizer(layout=LARGE))
    inbox = inbox_of(optimizer)
    worker = spawn("worker", endpoints=[optimizer.endpoint], segments=10_000)
    inbox.wait(Segment, 5)
    worker.signal(signal.SIGSTOP)
    stopped_s = time.monotonic()
    (lost,) = inbox.wait(Lost)
    assert time.monotonic() - stopped_s < 4
    assert lost.reason.startswith("silent for")
    assert optimizer.workers() == []
    before = len(inbox.of(Segment))
    worker.signal(signal.SIGCONT)
    inbox.wait(Joined, 2)
    inbox.wait(Segment, before + 20)
    assert inbox.tags() == list(range(len(inbox.tags())))


@pytest.mark.parametrize("stopped", ["the optimizer", "the machine"])
def test_a_stopped_optimizer_finds_its_workers_again(spawn, stopped):
    optimizer = spawn("optimizer", bind="tcp://127.0.0.1:0", dismiss_at=299)
    endpoint = optimizer.wait("listening")["endpoint"]
    worker = spawn("worker", endpoints=[endpoint], segments=300)
    for _ in range(5):
        optimizer.wait("taken")
    processes = [optimizer, worker] if stopped == "the machine" else [optimizer]
    for process in processes:
        process.signal(signal.SIGSTOP)
    # The length of the stop is what is tested: both sides call 0.8 s too long.
    threading.Event().wait(1.6)
    for process in reversed(processes):
        process.signal(signal.SIGCONT)
        threading.Event().wait(0.2)
    assert worker.end() == 0
    optimizer.end()
    tags = [line["tag"] for line in optimizer.seen if line["event"] == "taken"]
    assert tags == list(range(300))
    joined = [line for line in optimizer.seen if line["event"] == "joined"]
    # While the whole machine sleeps, nobody is silent.
    assert (len(joined) == 1) == (stopped == "the machine")


@pytest.fixture
def linked(make_optimizer, make_worker, inbox_of, closing, proxy_to):
    optimizer = make_optimizer()
    proxy = closing(proxy_to(optimizer.endpoint))
    return make_worker(proxy.endpoint), inbox_of(optimizer), proxy


def send_in_background(worker, count, arrays):
    def send():
        for tag in range(count):
            worker.send(0, arrays(tag))

    sender = threading.Thread(target=send)
    sender.start()
    return sender


def test_a_link_that_breaks_again_and_again_loses_and_repeats_nothing(linked, arrays):
    worker, inbox, proxy = linked
    sender = send_in_background(worker, 600, arrays)
    for cut in range(5):
        inbox.wait(Segment, 40 * (cut + 1))
        proxy.cut()
    inbox.wait(Segment, 600)
    sender.join(20)
    assert inbox.tags() == list(range(600))
    comings = [type(arrival) for arrival in inbox.all if isinstance(arrival, Joined | Lost)]
    assert comings == [Joined, Lost] * (len(comings) // 2) + [Joined]
    assert len(comings) > 1


def test_a_link_that_swallows_everything_is_noticed_on_both_sides_and_mends(linked, arrays):
    worker, inbox, proxy = linked
    sender = send_in_background(worker, 300, arrays)
    inbox.wait(Segment, 30)
    proxy.open.clear()
    inbox.wait(Lost)
    proxy.open.set()
    inbox.wait(Segment, 300)
    sender.join(20)
    assert inbox.tags() == list(range(300))


def test_bytes_on_their_way_speak_for_a_worker_with_a_slow_link(
    make_optimizer, make_worker, inbox_of, closing, proxy_to
):
    layout = Layout(1, 1, (ArrayLayout("observation", "uint8", (4 << 20,)), ArrayLayout("tag", "int32", ())))
    optimizer = make_optimizer(layout=layout)
    # 2 MiB/s: one segment takes far longer than the 0.8 s after which a silent worker is lost.
    proxy = closing(proxy_to(optimizer.endpoint, bytes_per_s=2 << 20))
    worker = make_worker(proxy.endpoint)
    inbox = inbox_of(optimizer)
    worker.send(0, {"observation": np.zeros(4 << 20, np.uint8), "tag": np.array(5, np.int32)})
    inbox.wait(Segment)
    assert inbox.of(Lost) == []
    assert len(inbox.of(Joined)) == 1


def resident_mib():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20


def test_the_memory_of_an_optimizer_that_takes_nothing_is_bounded(make_optimizer, spawn, inbox_of):
    optimizer = published(make_optimizer(layout=LARGE))
    inbox = inbox_of(optimizer, acknowledge=False)
    before = resident_mib()
    workers = [spawn("worker", endpoints=[optimizer.endpoint], segments=10_000) for _ in range(3)]
    # 64 MiB of buffer and segments of 8 MiB and a little: seven.
    inbox.wait(Segment, 7)
    deadline_s = time.monotonic() + 1.0
    while time.monotonic() < deadline_s:
        inbox.pump()
    assert len(inbox.of(Segment)) == 7
    assert resident_mib() - before < 64 + 30
    assert len(optimizer.workers()) == len(workers)


class LateProxy:
    """A link that hands everything on 200 ms late, and every twentieth block as late as a lost packet is."""

    DELAY_S, LOST_S = 0.2, 0.6

    def __init__(self, proxy):
        self.proxy = proxy
        self.endpoint = proxy.endpoint
        proxy._carry = self._carry

    def _carry(self, source, target):
        late = queue.Queue()
        threading.Thread(target=self._hand_on, args=(late, target), daemon=True).start()
        try:
            for number in itertools.count():
                data = source.recv(1 << 16)
                late.put((time.monotonic() + (self.DELAY_S if number % 20 else self.LOST_S), data))
                if not data:
                    return
        except OSError:
            late.put((0.0, b""))

    def _hand_on(self, late, target):
        while True:
            due_s, data = late.get()
            threading.Event().wait(max(0.0, due_s - time.monotonic()))
            try:
                if not data:
                    target.close()
                    return
                target.sendall(data)
            except OSError:
                return


@pytest.mark.slow
def test_a_late_link_loses_and_repeats_nothing(
    make_optimizer, make_worker, inbox_of, closing, proxy_to, arrays, wire_with
):
    optimizer = make_optimizer(wire=wire_with(timeout_s=5.0))
    late = LateProxy(closing(proxy_to(optimizer.endpoint)))
    worker = make_worker(late.endpoint)
    inbox = inbox_of(optimizer)
    sender = send_in_background(worker, 40, arrays)
    inbox.wait(Segment, 40)
    sender.join(20)
    assert inbox.tags() == list(range(40))
    assert len(inbox.of(Joined)) == 1

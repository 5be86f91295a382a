"""Workers whose optimizer goes, comes back, or has no place for them any more; workers that move themselves."""

import socket
import threading

import numpy as np
import pytest

from dexctl.wire.arrivals import Joined, Lost, Segment
from dexctl.wire.worker import Orphaned


@pytest.fixture
def first_choice(monkeypatch):
    """Workers choose the endpoint that is named first."""
    monkeypatch.setattr("random.Random.choice", lambda self, options: options[0])


def accept_and_close(port, count):
    """What ``ssh -L`` or a balancer does while nobody is behind it."""
    with socket.create_server(("127.0.0.1", port)) as server:
        server.settimeout(20)
        for _ in range(count):
            server.accept()[0].close()


def test_a_worker_waits_behind_a_link_that_accepts_and_closes(
    make_optimizer, make_worker, inbox_of, wire_with, free_port, arrays
):
    endpoint = f"tcp://127.0.0.1:{free_port}"
    optimizer = make_optimizer(endpoint)
    worker = make_worker(endpoint, wire=wire_with(orphan_timeout_s=60.0))
    optimizer.close()
    accept_and_close(free_port, 4)
    inbox = inbox_of(make_optimizer(endpoint))
    inbox.wait(Joined)
    worker.send(0, arrays(3))
    inbox.wait(Segment)
    assert inbox.tags() == [3]


def test_a_worker_that_is_refused_for_ever_leaves(make_optimizer, make_worker, wire_with, free_port):
    endpoint = f"tcp://127.0.0.1:{free_port}"
    optimizer = make_optimizer(endpoint)
    worker = make_worker(endpoint, wire=wire_with(orphan_timeout_s=1.5))
    optimizer.close()
    make_optimizer(endpoint, only=frozenset({"local-0"}))
    with pytest.raises(Orphaned, match="takes its own workers alone"):
        worker.parameters(wait_for=1)


def test_a_worker_that_one_optimizer_refuses_goes_to_another(make_optimizer, make_worker, first_choice, monkeypatch):
    monkeypatch.setattr("dexctl.wire.worker_thread.ATTEMPT_S", 0.6)
    full, free = make_optimizer(only=frozenset({"local-0"})), make_optimizer()
    make_worker(full.endpoint, free.endpoint, name="mine")
    assert [view.name for view in free.workers()] == ["mine"]


def test_a_short_cut_of_the_link_moves_no_worker(
    make_optimizer, make_worker, inbox_of, closing, proxy_to, first_choice, arrays
):
    near, far = make_optimizer(), make_optimizer()
    proxy = closing(proxy_to(near.endpoint))
    worker = make_worker(proxy.endpoint, far.endpoint)
    inbox = inbox_of(near)
    inbox.wait(Joined)
    proxy.cut()
    inbox.wait(Joined, 2)
    worker.send(0, arrays())
    inbox.wait(Segment)
    assert far.workers() == []


def test_a_worker_that_returns_under_another_address_goes_on_where_it_was(
    make_optimizer, make_worker, inbox_of, closing, proxy_to, arrays, monkeypatch
):
    optimizer = make_optimizer()
    optimizer.publish(1, {"weight": np.zeros(3, np.float32)})
    addresses = iter(f"127.0.0.{last}" for last in range(2, 250))
    connect = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", lambda to: connect(to, source_address=(next(addresses), 0)))
    proxy = closing(proxy_to(optimizer.endpoint))
    worker = make_worker(proxy.endpoint)
    inbox = inbox_of(optimizer)

    def send():
        for tag in range(200):
            worker.send(0, arrays(tag))

    sender = threading.Thread(target=send)
    sender.start()
    inbox.wait(Segment, 20)
    (before,) = optimizer.workers()
    proxy.cut()
    inbox.wait(Segment, 200)
    sender.join(20)
    (after,) = optimizer.workers()
    assert before.address != after.address
    assert (before.worker, before.name) == (after.worker, after.name)
    assert inbox.tags() == list(range(200))
    assert len(inbox.of(Lost)) >= 1


def test_a_worker_that_hangs_is_given_up(make_optimizer, make_worker, inbox_of, monkeypatch, arrays):
    monkeypatch.setattr("dexctl.wire.vigil.STALLED_S", 0.5)
    optimizer = make_optimizer()
    inbox = inbox_of(optimizer)
    # Its wire's thread lives and says so; what should make experience does nothing.
    worker = make_worker(optimizer.endpoint)
    assert "with leave to send one" in inbox.wait(Lost)[0].reason
    inbox.wait(Joined, 2)
    worker.send(0, arrays(4))
    inbox.wait(Segment)
    assert inbox.tags() == [4]

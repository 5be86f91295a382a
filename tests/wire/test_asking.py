"""Asking who works: the answer, and what it costs the optimizer and tells a stranger."""

import os
import shutil
import signal
import threading

import numpy as np
import pytest
import zmq

from dexctl.console.key_pair import make_key_pair
from dexctl.console.worker_table import document
from dexctl.errors import ProtocolError, RefusedError, UnavailableError, UsageError
from dexctl.wire.arrivals import Refused, Segment
from dexctl.wire.asking import ask, ask_all
from dexctl.wire.keys import server_keys, worker_keys
from dexctl.wire.messages import Answer, Ask, encode


def test_the_answer_tells_who_works_how_fast_and_how_far_behind(make_optimizer, make_worker, inbox_of, arrays):
    optimizer = make_optimizer(indices=range(3, 100, 5))
    for version in (1, 2, 3):
        optimizer.publish(version, {"weight": np.zeros(3, np.float32)})
    workers = [make_worker(optimizer.endpoint, name=name) for name in "ab"]
    inbox = inbox_of(optimizer)
    for tag in range(4):
        workers[0].send(1, arrays(tag))
    inbox.wait(Segment, 4)
    answer = ask(optimizer.endpoint, None, 10.0)
    assert (answer.version, answer.digest) == (3, "d1")
    assert [(one.worker, one.name, one.segments) for one in answer.workers] == [(3, "a", 4), (8, "b", 0)]
    first, second = answer.workers
    assert (first.version, first.staleness) == (1, 2)
    assert first.steps_per_s > 0 == second.steps_per_s
    assert all(0 <= one.silent_s < 10 and one.address == "127.0.0.1" for one in answer.workers)
    # Who asks joins nothing, takes no credit and is not told of.
    assert [view.name for view in optimizer.workers()] == ["a", "b"]
    assert len(inbox.of(Refused)) == 0


def test_who_asks_is_cut_off_after_the_answer(make_optimizer, make_stranger, until):
    optimizer = make_optimizer()
    stranger = make_stranger(optimizer.endpoint)
    stranger.say(encode(Ask()))
    assert stranger.hear(Answer).workers == []
    connections = optimizer._thread._connections
    until(lambda: not connections.all(), "the connection to be cut")


def test_only_a_key_that_is_let_in_is_answered(make_optimizer, tmp_path):
    (tmp_path / "allowed").mkdir()
    for name in ("optimizer", "worker", "other"):
        make_key_pair(tmp_path / name)
    shutil.copy(tmp_path / "worker.key", tmp_path / "allowed")
    optimizer = make_optimizer(keys=server_keys(tmp_path / "optimizer.key_secret", tmp_path / "allowed"))

    def keys(name):
        return worker_keys(tmp_path / f"{name}.key_secret", tmp_path / "optimizer.key")

    assert ask(optimizer.endpoint, keys("worker"), 10.0).workers == []
    with pytest.raises(RefusedError, match="no handshake"):
        ask(optimizer.endpoint, keys("other"), 10.0)
    with pytest.raises((RefusedError, UnavailableError)):
        ask(optimizer.endpoint, None, 2.0)


def test_who_does_not_answer_keeps_the_others_from_nothing(make_optimizer, make_worker, free_port):
    optimizer, gone = make_optimizer(), f"tcp://127.0.0.1:{free_port}"
    make_worker(optimizer.endpoint, name="mine")
    answers = ask_all([gone, optimizer.endpoint], None, 1.0)
    assert list(answers) == [gone, optimizer.endpoint]
    first, second = document(answers)["optimizers"]
    assert first == {"endpoint": gone, "error": f"no answer from {gone}"}
    assert [worker["name"] for worker in second["workers"]] == ["mine"]
    with pytest.raises(UsageError, match="nowhere is not"):
        ask_all([optimizer.endpoint, "nowhere"], None, 0.5)


def test_nobody_is_unavailable(free_port):
    with pytest.raises(UnavailableError, match="no answer"):
        ask(f"tcp://127.0.0.1:{free_port}", None, 0.3)


def test_ctrl_c_ends_the_asking_however_long_it_may_take(free_port):
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        ask_all([f"tcp://127.0.0.1:{free_port}"] * 2, None, float("inf"))
    timer.join()


def test_another_protocol_is_told():
    with zmq.Context() as context, context.socket(zmq.ROUTER) as server:
        server.linger = 0
        port = server.bind_to_random_port("tcp://127.0.0.1")

        def answer():
            route, _ = server.recv_multipart()
            server.send_multipart([route, b"dexctl\x09rest"])

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ProtocolError, match="wire protocol 9"):
            ask(f"tcp://127.0.0.1:{port}", None, 10.0)
        thread.join(10)

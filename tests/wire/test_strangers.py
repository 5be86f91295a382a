"""What peers that are no workers, or broken ones, can and cannot do to an optimizer."""

import contextlib
import math
import random
import socket
import struct
import threading
import uuid

import numpy as np
import pytest
import zmq
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dexctl.errors import ProtocolError
from dexctl.wire.arrivals import Complaints, Joined, Lost, Refused, Segment
from dexctl.wire.messages import MAGIC, PIECES_AHEAD, PREFIX, Ask, Fetch, Have, Ping, Refuse, Welcome, encode


def resident_mib():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20


def port_of(optimizer):
    return int(optimizer.endpoint.rsplit(":", 1)[1])


@pytest.fixture
def scene(make_optimizer, make_stranger, inbox_of):
    optimizer = make_optimizer()
    return optimizer, make_stranger(optimizer.endpoint), inbox_of(optimizer)


def still_serves(optimizer, make_worker, inbox, arrays):
    before = len(inbox.of(Segment))
    worker = make_worker(optimizer.endpoint)
    worker.send(0, arrays(77))
    assert inbox.wait(Segment, before + 1)[-1].arrays["tag"] == 77


def poisoned(arrays, value):
    arrays["observation"][1, 2, 3] = value
    return arrays


BROKEN = {
    "NaN": (lambda a: {"arrays": poisoned(a, np.nan)}, "observation holds a number that is not finite"),
    "infinity": (lambda a: {"arrays": poisoned(a, np.inf)}, "observation holds a number that is not finite"),
    "wrong shape": (lambda a: {"frames": [b"1234"] * 5}, "observation has 4 bytes"),
    "too few arrays": (lambda a: {"frames": [bytes(420)]}, "1 arrays, the layout has 5"),
    "too many arrays": (lambda a: {"frames": [b""] * 900}, "900 arrays, the layout has 5"),
    "no arrays": (lambda a: {"frames": []}, "0 arrays"),
    "other steps": (lambda a: {"steps": 4}, "4 steps of 5 environments"),
    "a future version": (lambda a: {"version": 9}, "policy version 9, 0 is the newest"),
    "another's name": (lambda a: {"worker": "somebody"}, "in the name of somebody"),
    "a replay": (lambda a: {"sequence": 0}, "segment 0 came before"),
    "an infinite report": (lambda a: {"report": {"reward": float("inf")}}, "a report with a number"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_segment_is_refused_named_and_its_sender_blocked(scene, make_worker, make_stranger, arrays, case):
    optimizer, stranger, inbox = scene
    change, reason = BROKEN[case]
    stranger.hello()
    token = stranger.hear(Welcome).token
    stranger.segment(**{"arrays": arrays(), **change(arrays())})
    refusal = stranger.hear(Refuse)
    assert refusal.code == 76
    assert reason in refusal.reason
    (refused,) = inbox.wait(Refused)
    assert refused.peer == "stranger at 127.0.0.1"
    assert reason in refused.reason
    assert "refused" in inbox.wait(Lost)[0].reason
    again = make_stranger(optimizer.endpoint)
    again.hello(token=token)
    assert "refused before" in again.hear(Refuse).reason
    assert inbox.of(Segment) == []
    still_serves(optimizer, make_worker, inbox, arrays)


def test_a_replayed_segment_is_counted_once(scene, arrays):
    _, stranger, inbox = scene
    stranger.hello()
    stranger.hear(Welcome)
    stranger.segment(arrays(1))
    stranger.segment(arrays(1))
    assert "came before" in stranger.hear(Refuse).reason
    inbox.wait(Lost)
    assert len(inbox.of(Segment)) == 1


def test_a_segment_beyond_the_credits_is_refused(scene, arrays):
    _, stranger, inbox = scene
    inbox.acknowledge = False
    stranger.hello()
    granted = stranger.hear(Welcome).credits
    for sequence in range(granted + 1):
        stranger.segment(arrays(), sequence=sequence + 1)
    assert "without a credit" in stranger.hear(Refuse).reason
    inbox.wait(Lost)
    assert len(inbox.of(Segment)) == granted


RUBBISH = {
    "text": ([b"GET / HTTP/1.1"], "not a message of dexctl"),
    "nothing": ([b""], "not a message of dexctl"),
    "a future protocol": ([MAGIC + b"\x09" + b"x"], "wire protocol 9, this side speaks"),
    "torn": ([PREFIX + b"\x81\xa4kin"], "cannot be read"),
    "another kind": ([PREFIX + b"\x81\xa4kind\xa5alive"], "cannot be read"),
    "out of turn": ([encode(Ping(version=0))], "a message before the hello"),
    "long": ([PREFIX + bytes(65536)], "a control frame of"),
}


@pytest.mark.parametrize("case", RUBBISH)
def test_rubbish_is_refused_and_named(scene, make_worker, arrays, case):
    optimizer, stranger, inbox = scene
    frames, reason = RUBBISH[case]
    stranger.say(*frames)
    assert reason in stranger.hear(Refuse).reason
    (refused,) = inbox.wait(Refused)
    assert refused.peer == "127.0.0.1"
    assert reason in refused.reason
    still_serves(optimizer, make_worker, inbox, arrays)


def test_what_was_meant_for_a_connection_before_costs_a_worker_this_one_and_no_more(scene, make_stranger):
    optimizer, stranger, inbox = scene
    stranger.say(encode(Ping(version=0)))
    assert stranger.hear(Refuse).code == 75
    again = make_stranger(optimizer.endpoint)
    again.hello()
    token = again.hear(Welcome).token
    again.hello(token=token)
    assert "hello a second time" in inbox.wait(Lost)[0].reason
    once_more = make_stranger(optimizer.endpoint)
    once_more.hello(token=token)
    once_more.hear(Welcome)


def test_a_worker_of_another_protocol_version_learns_why(make_optimizer, make_worker, monkeypatch):
    optimizer = make_optimizer()
    monkeypatch.setattr("dexctl.wire.worker_thread.encode", lambda message: MAGIC + b"\x09" + encode(message)[7:])
    worker = make_worker(optimizer.endpoint, join=False)
    with pytest.raises(ProtocolError, match="wire protocol 9, this side speaks 1"):
        worker.join()


def test_a_greedy_fetch_is_refused(scene):
    optimizer, stranger, _ = scene
    optimizer.publish(1, {"weight": np.zeros(100, np.float32)})
    stranger.hello()
    stranger.hear(Welcome)
    stranger.say(encode(Have(version=2**60, shared=True)))
    for _ in range(50 * PIECES_AHEAD):
        stranger.say(encode(Fetch(version=1, offset=2**61)))
    assert "pieces asked for at once" in stranger.hear(Refuse).reason


def test_a_flood_of_heartbeats_is_refused(scene, until, make_worker, arrays):
    optimizer, stranger, inbox = scene
    stranger.hello()
    stranger.hear(Welcome)

    def flood():
        for _ in range(500):
            stranger.say(encode(Ping(version=0)))
        inbox.pump(0)
        return inbox.of(Refused)

    assert "heartbeats at once" in until(flood, "the flood to be refused")[0].reason
    still_serves(optimizer, make_worker, inbox, arrays)


def test_a_worker_that_asks_who_works_is_refused(scene):
    _, stranger, inbox = scene
    stranger.hello()
    stranger.hear(Welcome)
    stranger.say(encode(Ask()))
    assert "who works, by a worker" in stranger.hear(Refuse).reason
    assert "refused" in inbox.wait(Lost)[0].reason


def test_an_optimizer_with_always_more_to_read_sees_who_goes(scene, make_stranger, monkeypatch):
    optimizer, stranger, inbox = scene
    monkeypatch.setattr("dexctl.wire.optimizer_thread.MESSAGES_A_TURN", 1)
    # Each takes longer to read than to send.
    monkeypatch.setattr("dexctl.wire.vigil.Vigil.count", lambda vigil, session: threading.Event().wait(0.002))
    leaving = make_stranger(optimizer.endpoint)
    for peer, name in ((leaving, "leaving"), (stranger, "flooding")):
        peer.hello(worker=name)
        peer.hear(Welcome)
    over = threading.Event()

    def flood():
        while not over.is_set():
            with contextlib.suppress(zmq.Again):
                stranger.socket.send(encode(Ping(version=0)), zmq.NOBLOCK)

    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        # Without a goodbye.
        leaving.close()
        assert inbox.wait(Lost)[0].name == "leaving"
    finally:
        over.set()
        flooding.join(20)


def test_a_frame_larger_than_any_array_is_cut_off_and_named(scene, make_worker, make_stranger, arrays):
    optimizer, stranger, inbox = scene
    stranger.hello()
    token = stranger.hear(Welcome).token
    stranger.segment(frames=[bytes(1 << 20)])
    assert "a frame of over 65536 bytes" in inbox.wait(Refused)[0].reason
    again = make_stranger(optimizer.endpoint)
    again.hello(token=token)
    assert "refused before" in again.hear(Refuse).reason
    still_serves(optimizer, make_worker, inbox, arrays)


def test_a_message_without_an_end_does_not_fill_the_memory(scene, make_worker, arrays):
    optimizer, _, inbox = scene
    before = resident_mib()
    with socket.create_connection(("127.0.0.1", port_of(optimizer))) as raw:
        greet(raw)
        frame = b"\x01\xff" + bytes(255)
        raw.settimeout(10)
        sent = 0
        with contextlib.suppress(OSError):
            while sent < 2 << 30:
                sent += raw.send(frame * 256)
    assert sent < 2 << 30
    assert resident_mib() - before < 600
    assert "a message without an end" in inbox.wait(Refused)[0].reason
    still_serves(optimizer, make_worker, inbox, arrays)


def greet(raw):
    """Shake hands as ZeroMQ does, without encryption."""
    raw.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48))
    ready = b"\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER\x08Identity\x00\x00\x00\x00"
    raw.sendall(b"\x04" + bytes([len(ready)]) + ready)
    raw.settimeout(10)
    received = b""
    while len(received) < 64 + 3:
        received += raw.recv(4096)


def test_three_hundred_scans_and_lying_frames_cost_little(scene, make_worker, arrays):
    optimizer, _, inbox = scene
    before = resident_mib()
    generator = random.Random(1)
    open_ones = []
    for number in range(300):
        raw = socket.create_connection(("127.0.0.1", port_of(optimizer)))
        raw.settimeout(5)
        open_ones.append(raw)
        with contextlib.suppress(OSError):
            if number % 3 == 0:
                raw.sendall(generator.randbytes(200))
            elif number % 3 == 1:
                greet(raw)
                raw.sendall(b"\x02" + struct.pack(">Q", generator.choice([400, 2**31, 2**62])) + bytes(100))
    still_serves(optimizer, make_worker, inbox, arrays)
    assert resident_mib() - before < 100
    assert {refused.peer for refused in inbox.wait(Refused)} == {"127.0.0.1"}
    assert len(inbox.of(Refused)) < 10
    for raw in open_ones:
        raw.close()


def test_a_connection_that_says_nothing_is_cut(scene, monkeypatch):
    optimizer, _, inbox = scene
    monkeypatch.setattr("dexctl.wire.vigil.HELLO_S", 0.3)
    with socket.create_connection(("127.0.0.1", port_of(optimizer))) as raw:
        greet(raw)
        raw.settimeout(10)
        assert raw.recv(100) == b""
    assert "no hello" in inbox.wait(Refused)[0].reason


# Shrinking would wait for a silent optimizer again and again.
@settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(frames=st.lists(st.binary(max_size=40), min_size=1, max_size=4), joined=st.booleans(), prefixed=st.booleans())
def test_whatever_is_sent_the_optimizer_goes_on(steady, make_stranger, frames, joined, prefixed):
    optimizer, inbox = steady
    stranger = make_stranger(optimizer.endpoint)
    if joined:
        stranger.hello(worker=uuid.uuid4().hex)
        stranger.hear(Welcome)
    stranger.say(*([PREFIX + frames[0], *frames[1:]] if prefixed else frames))
    stranger.hear(Refuse)
    stranger.close()
    inbox.pump(0)
    assert inbox.of(Segment) == []


@pytest.fixture
def steady(make_optimizer, inbox_of):
    optimizer = make_optimizer()
    return optimizer, inbox_of(optimizer)


def test_a_flood_of_refusals_is_a_few_lines(scene, make_stranger, until, monkeypatch):
    optimizer, _, inbox = scene
    monkeypatch.setattr(Complaints, "INTERVAL_S", math.inf)
    for _ in range(100):
        stranger = make_stranger(optimizer.endpoint)
        stranger.say(b"rubbish")
        stranger.hear(Refuse)
        stranger.close()
    inbox.wait(Refused)
    # The ten seconds after which what was told is told again are over.
    monkeypatch.setattr(Complaints, "INTERVAL_S", 0.0)

    def lines():
        inbox.pump()
        # Besides, some may have broken the connection while they were turned away.
        found = [refused for refused in inbox.of(Refused) if "not a message of dexctl" in refused.reason]
        return found if sum(refused.count for refused in found) >= 100 else None

    assert sum(refused.count for refused in until(lines, "all to be counted")) == 100
    assert len(lines()) == 2
    assert inbox.of(Joined) == []

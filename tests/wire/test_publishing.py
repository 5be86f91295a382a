import statistics
import threading
import time

import numpy as np
import pytest
import zmq

from dexctl.errors import ProtocolError
from dexctl.wire.arrivals import Joined, Segment
from dexctl.wire.download import Download
from dexctl.wire.messages import MAGIC, PIECE_BYTES, Alive, Announce, Fault, Fetch, Gone, Piece, Welcome, encode
from dexctl.wire.shared import SharedFolder


def weights(value, size=100_000):
    return {"actor.weight": np.full((size,), value, np.float32), "bias": np.array(value, np.float32)}


def value_of(parameters):
    (value,) = {float(array.min()) for array in parameters.values()} | {
        float(array.max()) for array in parameters.values()
    }
    return value


@pytest.fixture(params=["shared memory", "no shared memory"])
def memory(request, tmp_path):
    """Options of a worker on a host with shared memory and on one without."""
    if request.param == "no shared memory":
        (tmp_path / "shared").mkdir()
        (tmp_path / "shared").chmod(0o777)
    return {"shared_folder": tmp_path / "shared"}


def test_parameters_arrive_as_they_were_published(make_optimizer, make_worker, memory):
    optimizer = make_optimizer()
    worker = make_worker(optimizer.endpoint, **memory)
    generator = np.random.default_rng(1)
    published = {f"layer{i}": generator.standard_normal((300, 1000 + i), dtype=np.float32) for i in range(3)}
    optimizer.publish(1, published)
    version, found = worker.parameters(wait_for=1)
    assert version == 1
    assert list(found) == list(published)
    for name, array in published.items():
        assert np.array_equal(found[name], array)


def test_nothing_newer_is_nothing(make_optimizer, make_worker):
    optimizer = make_optimizer()
    worker = make_worker(optimizer.endpoint)
    assert worker.parameters() is None
    optimizer.publish(1, weights(1))
    assert worker.parameters(wait_for=1)[0] == 1
    assert worker.parameters() is None
    assert worker.parameters(wait_for=1) is None


def test_every_version_in_turn_when_the_optimizer_waits(make_optimizer, make_worker, memory):
    optimizer = make_optimizer()
    workers = [make_worker(optimizer.endpoint, **memory) for _ in range(2)]
    for version in range(1, 20):
        optimizer.publish(version, weights(version))
        for worker in workers:
            found, parameters = worker.parameters(wait_for=version)
            assert (found, value_of(parameters)) == (version, version)


def test_a_late_worker_gets_the_newest_at_once(make_optimizer, make_worker, memory):
    optimizer = make_optimizer()
    for version in range(1, 6):
        optimizer.publish(version, weights(version))
    worker = make_worker(optimizer.endpoint, **memory)
    version, parameters = worker.parameters(wait_for=1)
    assert (version, value_of(parameters)) == (5, 5)


def test_what_a_worker_does_to_its_parameters_is_its_own_affair(make_optimizer, make_worker, memory):
    optimizer = make_optimizer()
    workers = [make_worker(optimizer.endpoint, **memory) for _ in range(2)]
    optimizer.publish(1, weights(1))
    _, mine = workers[0].parameters(wait_for=1)
    mine["actor.weight"][:] = 9
    _, other = workers[1].parameters(wait_for=1)
    assert value_of(other) == 1
    late = make_worker(optimizer.endpoint, **memory)
    assert value_of(late.parameters(wait_for=1)[1]) == 1


def test_parameters_that_are_held_outlive_newer_ones_and_the_optimizer(make_optimizer, make_worker, memory):
    optimizer = make_optimizer()
    worker = make_worker(optimizer.endpoint, **memory)
    optimizer.publish(1, weights(1))
    _, held = worker.parameters(wait_for=1)
    optimizer.publish(2, weights(2))
    worker.parameters(wait_for=2)
    worker.close()
    optimizer.close()
    assert value_of(held) == 1


def test_a_host_fetches_once(make_optimizer, make_worker, closing, proxy_to, tmp_path):
    optimizer = make_optimizer()
    proxy = closing(proxy_to(optimizer.endpoint))
    workers = [make_worker(proxy.endpoint, shared_folder=tmp_path / "other") for _ in range(6)]
    size = 1_000_000
    optimizer.publish(1, weights(1, size))
    for worker in workers:
        assert value_of(worker.parameters(wait_for=1)[1]) == 1
    assert 4 * size <= proxy.carried < 1.2 * 4 * size


def test_a_slow_subscriber_gets_the_newest_and_holds_nobody_back(
    make_optimizer, make_worker, closing, proxy_to, tmp_path
):
    optimizer = make_optimizer()
    size = 250_000
    # A megabyte takes a second over this link, and a new version comes every 50 ms.
    proxy = closing(proxy_to(optimizer.endpoint, bytes_per_s=1 << 20))
    slow = make_worker(proxy.endpoint, shared_folder=tmp_path / "slow")
    fast = make_worker(optimizer.endpoint, shared_folder=tmp_path / "fast")
    seen, done = [], threading.Event()

    def follow():
        while not done.is_set():
            found = slow.parameters(wait_for=seen[-1] + 1 if seen else 1)
            seen.append(found[0])
            assert value_of(found[1]) == found[0]

    follower = threading.Thread(target=follow)
    follower.start()
    waits_s = []
    for version in range(1, 61):
        optimizer.publish(version, weights(version, size))
        started_s = time.monotonic()
        fast.parameters(wait_for=version)
        waits_s.append(time.monotonic() - started_s)
        done.wait(0.05)
    done.set()
    optimizer.publish(61, weights(61, size))
    follower.join(20)
    assert statistics.median(waits_s) < 0.2
    # Of some sixty versions in three seconds it took the few it had time for, and then a new one.
    assert 2 <= len(seen) <= 12
    assert max(np.diff(seen)) > 5


def test_versions_only_grow_and_are_finite(make_optimizer):
    optimizer = make_optimizer()
    optimizer.publish(3, weights(1))
    with pytest.raises(ValueError, match="version 3 after 3"):
        optimizer.publish(3, weights(1))
    with pytest.raises(ValueError, match="not finite"):
        optimizer.publish(4, weights(np.nan))


def test_a_version_that_is_not_kept_any_more_is_said_to_be_gone(make_optimizer, make_stranger):
    optimizer = make_optimizer()
    stranger = make_stranger(optimizer.endpoint)
    stranger.hello()
    stranger.hear(Welcome)
    optimizer.publish(1, weights(1))
    stranger.hear(Announce)
    optimizer.publish(2, weights(2))
    stranger.say(encode(Fetch(version=1, offset=0)))
    assert stranger.hear(Gone).version == 1
    stranger.say(encode(Fetch(version=2, offset=0)))
    assert stranger.hear(Piece).version == 2


def test_experience_of_versions_that_a_restarted_optimizer_lost_is_dropped(
    make_optimizer, make_worker, inbox_of, arrays, free_port, until
):
    bind = f"tcp://127.0.0.1:{free_port}"
    first = make_optimizer(bind)
    worker = make_worker(bind)
    first.publish(7, weights(7))
    assert worker.parameters(wait_for=7)[0] == 7
    worker.send(7, arrays(1))
    inbox_of(first, acknowledge=False).wait(Segment)
    first.close()
    second = make_optimizer(bind)
    inbox = inbox_of(second)
    second.publish(3, weights(3))
    inbox.wait(Joined)
    version, parameters = until(worker.parameters)
    assert (version, value_of(parameters)) == (3, 3)
    assert not worker.send(7, arrays(1))
    assert worker.send(3, arrays(2))
    inbox.wait(Segment)
    assert inbox.tags() == [2]


RUBBISH = {
    "text": ([b"rubbish"], "not a message of dexctl"),
    "another protocol": ([MAGIC + b"\x09" + b"x"], "wire protocol 9"),
    "huge parameters": ([encode(Announce(version=1, size=2**40, share=False))], "parameters of 1099511627776 bytes"),
    "a second frame": ([encode(Alive()), b"more"], "a message of 2 frames"),
}


@pytest.mark.parametrize("case", RUBBISH)
def test_an_optimizer_that_sends_rubbish_is_left_with_76(make_worker, closing, case):
    frames, reason = RUBBISH[case]
    with zmq.Context() as context, context.socket(zmq.ROUTER) as server:
        server.linger = 0
        worker = make_worker(f"tcp://127.0.0.1:{server.bind_to_random_port('tcp://127.0.0.1')}", join=False)
        assert server.poll(20_000)
        route, _ = server.recv_multipart()
        server.send_multipart([route, *frames])
        with pytest.raises(ProtocolError, match=reason) as error:
            worker.join()
        assert error.value.code == 76
        worker.close()


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize(("offset", "length"), [(PIECE_BYTES, PIECE_BYTES), (0, PIECE_BYTES - 1), (0, 2 * PIECE_BYTES)])
def test_a_piece_that_is_not_the_one_asked_for_is_refused(tmp_path, offset, length, share):
    download = Download(SharedFolder(tmp_path / "shared"))
    download.follow("run")
    download.announce(Announce(version=1, size=3 * PIECE_BYTES, share=share))
    assert [fetch.offset for fetch in download.requests()] == [0, PIECE_BYTES, 2 * PIECE_BYTES]
    with pytest.raises(Fault, match="bytes of parameters at"):
        download.piece(1, offset, memoryview(bytes(length)))
    download.close()


@pytest.mark.parametrize("share", [True, False])
def test_fetched_parameters_that_are_not_what_they_should_be_are_refused(tmp_path, share):
    download = Download(SharedFolder(tmp_path / "shared"))
    download.follow("run")
    download.announce(Announce(version=1, size=100, share=share))
    download.requests()
    with pytest.raises(ProtocolError, match="the optimizer sent parameters"):
        download.piece(1, 0, memoryview(b"\xff" * 100))
    assert download.edition is None
    download.close()
    assert list((tmp_path / "shared").iterdir()) == []

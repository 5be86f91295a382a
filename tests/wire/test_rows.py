"""Rows over the wire: each once, in order, no faster than they are taken, and from nobody else."""

import os
import threading

import numpy as np
import pytest
import zmq

from dexctl.console.key_pair import make_key_pair
from dexctl.errors import CreateError, DexctlError, ProtocolError, RefusedError, UnavailableError, UsageError
from dexctl.wire import row_messages as say
from dexctl.wire.keys import server_keys, worker_keys
from dexctl.wire.messages import PREFIX, decode, encode
from dexctl.wire.row_receiver import RowReceiver
from dexctl.wire.row_sender import RowSender

LOOPBACK = "tcp://127.0.0.1:0"
OPENED = say.Opened(
    dataset="states",
    about=b"{}",
    columns=(say.RowColumn("number", "int64", ()), say.RowColumn("position", "float32", (3,))),
    heartbeat_s=0.1,
    timeout_s=1.0,
)


def rows(start, count):
    numbers = np.arange(start, start + count)
    return {"number": numbers, "position": np.repeat(numbers[:, None], 3, 1).astype(np.float32)}


@pytest.fixture
def open_ends():
    ends = []

    def keep(end):
        ends.append(end)
        return end

    yield keep
    for end in ends:
        end.close()


@pytest.fixture
def sender(open_ends):
    return open_ends(RowSender(LOOPBACK, OPENED))


@pytest.fixture
def make_receiver(open_ends, sender):
    return lambda **others: open_ends(
        RowReceiver(**{"endpoint": sender.endpoint, "dataset": "states", "keys": None, "timeout_s": 10.0, **others})
    )


def begin(work):
    """Runs in a thread; gives what it raised or returned."""
    found = []

    def run():
        try:
            found.append(work())
        except DexctlError as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def result():
        thread.join(20)
        assert found, "it goes on for ever"
        return found[0]

    return result


def send_all(sender, count, each=5):
    def work():
        for start in range(0, count, each):
            if not sender.send(start, rows(start, each)):
                return start
        sender.finish()
        return count

    return begin(work)


def numbers_of(portions):
    return [int(number) for _, some in portions for number in some["number"]]


def test_rows_come_in_order_as_they_were_and_end(sender, make_receiver):
    receiver = make_receiver()
    assert receiver.opened == OPENED
    sent = send_all(sender, 100)
    came = list(receiver.portions())
    assert sent() == 100
    assert [start for start, _ in came] == list(range(0, 100, 5))
    assert numbers_of(came) == list(range(100))
    np.testing.assert_array_equal(came[3][1]["position"], rows(15, 5)["position"])


def test_several_receivers_share_rows_and_none_comes_twice(sender, make_receiver):
    receivers = [make_receiver() for _ in range(3)]
    takers = [begin(lambda receiver=receiver: numbers_of(receiver.portions())) for receiver in receivers]
    assert send_all(sender, 300)() == 300
    shares = [taker() for taker in takers]
    assert sorted(number for share in shares for number in share) == list(range(300))


def test_a_slow_receiver_makes_the_sender_wait(sender, make_receiver):
    receiver = make_receiver()
    portions = receiver.portions()
    offered = []
    full = threading.Event()

    def stop():
        # Asked only when there is no room.
        full.set()
        return False

    def work():
        for start in range(100):
            sender.send(start, rows(start, 1), stop)
            offered.append(start)
        sender.finish()

    done = begin(work)
    assert next(portions)[0] == 0
    assert full.wait(20)
    # Taken, held or under way, and queued.
    assert len(offered) <= 1 + say.PORTIONS_AHEAD + 3
    assert numbers_of(portions) == list(range(1, 100))
    assert done() is None


def test_without_a_receiver_nothing_leaves_and_asking_to_stop_ends_the_wait(sender):
    asked = iter([False, True])
    assert sender.send(0, rows(0, 1))
    assert sender.send(1, rows(1, 1))
    assert not sender.send(2, rows(2, 1), lambda: next(asked))


def test_who_looks_and_takes_nothing_ends_nothing(sender, make_receiver):
    make_receiver().close()
    receiver = make_receiver()
    sent = send_all(sender, 10)
    assert numbers_of(receiver.portions()) == list(range(10))
    assert sent() == 10


def test_a_receiver_that_has_enough_ends_the_sending(sender, make_receiver):
    receiver = make_receiver()
    sent = send_all(sender, 1000)
    next(receiver.portions())
    receiver.enough()
    receiver.close()
    assert 0 < sent() < 1000


def test_a_receiver_that_fails_is_told_of_and_others_go_on(sender, make_receiver):
    lost, kept = make_receiver(), make_receiver()
    sent, portions = send_all(sender, 300), kept.portions()
    first = next(portions)
    assert next(lost.portions())[0] != first[0]
    lost.close()
    came = numbers_of([first, *portions])
    assert sent() == 300
    assert len(set(came)) == len(came)
    assert 300 - 5 * (1 + say.PORTIONS_AHEAD) <= len(came) < 300


def test_the_last_receiver_that_is_gone_ends_the_sender(sender, make_receiver):
    receiver = make_receiver()
    sent = send_all(sender, 1000)
    next(receiver.portions())
    receiver.close()
    error = sent()
    assert isinstance(error, UnavailableError)
    assert str(os.getpid()) in str(error)


def test_a_sender_that_stops_is_told_after_what_came(sender, make_receiver):
    receiver = make_receiver()
    portions = receiver.portions()
    sender.send(0, rows(0, 1))
    assert next(portions)[0] == 0
    sender.close("the disk is full")
    with pytest.raises(UnavailableError, match="the disk is full"):
        list(portions)


def test_a_sender_of_something_else_and_nobody_at_all_are_told(make_receiver):
    with pytest.raises(ProtocolError, match="images are asked for, and states are sent here"):
        make_receiver(dataset="images")
    with pytest.raises(UnavailableError, match="nobody at"):
        make_receiver(endpoint="tcp://127.0.0.1:1", timeout_s=0.1)
    with pytest.raises(UsageError, match="tcp://HOST:PORT"):
        make_receiver(endpoint="tcp://nowhere")


def test_off_loopback_wants_keys_and_an_address_is_bound_once(sender):
    with pytest.raises(RefusedError, match="no keys"):
        RowSender("tcp://0.0.0.0:0", OPENED)
    with pytest.raises(CreateError, match="cannot bind"):
        RowSender(sender.endpoint, OPENED)


def test_keys_let_in_who_is_allowed_and_nobody_else(tmp_path, open_ends):
    ours, theirs, stranger = (make_key_pair(tmp_path / name) for name in ("ours", "theirs", "stranger"))
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (allowed / "theirs.key").write_bytes(theirs.public_file.read_bytes())
    sender = open_ends(RowSender(LOOPBACK, OPENED, server_keys(ours.secret_file, allowed)))

    def receiver(pair):
        keys = worker_keys(pair.secret_file, ours.public_file)
        return open_ends(RowReceiver(sender.endpoint, "states", keys, 10.0))

    with pytest.raises(RefusedError, match="no handshake"):
        receiver(stranger)
    with pytest.raises((RefusedError, UnavailableError)):
        open_ends(RowReceiver(sender.endpoint, "states", None, 0.5))
    admitted = receiver(theirs)
    sent = send_all(sender, 10)
    assert numbers_of(admitted.portions()) == list(range(10))
    assert sent() == 10


OPEN = encode(say.Open(dataset="states", host="here", pid=1))
MORE = encode(say.More(portions=4, taken=0))


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([b"GET / HTTP/1.1"], "not a message of dexctl"),
        ([PREFIX + b"\x81\xa4kind\xa5alive"], "cannot be read"),
        ([MORE], "before it opened"),
        ([OPEN, OPEN], "opened twice"),
        ([OPEN, MORE, MORE], "portions asked for"),
        ([OPEN, encode(say.More(portions=1, taken=1))], "taken than were sent"),
    ],
)
def test_a_stranger_is_told_why_and_cut_off(messages, reason, sender, make_receiver):
    with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
        stranger.linger, stranger.rcvtimeo = 0, 10_000
        stranger.connect(sender.endpoint)
        for message in messages:
            stranger.send(message)
        found = None
        while not isinstance(found, say.Deny):
            found = decode(memoryview(stranger.recv_multipart()[0]), say.FROM_SENDER, say.SENDER_CONTROL_BYTES)
        assert reason in found.reason
        assert found.code == 76


def test_a_message_that_is_too_long_closes_the_connection_and_nothing_else(sender, make_receiver):
    with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
        stranger.linger = 0
        monitor = stranger.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        monitor.linger = 0
        stranger.connect(sender.endpoint)
        stranger.send(PREFIX + bytes(say.RECEIVER_CONTROL_BYTES))
        assert monitor.poll(10_000)
        stranger.disable_monitor()
        monitor.close()
    receiver = make_receiver()
    sent = send_all(sender, 10)
    assert numbers_of(receiver.portions()) == list(range(10))
    assert sent() == 10


@pytest.fixture
def false_sender():
    """A socket that says what a test wants; tells of the route that asked."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as server:
        server.linger, server.rcvtimeo = 0, 10_000
        server.bind_to_random_port("tcp://127.0.0.1")
        yield server


def portion(rows=1, start=0):
    return encode(say.Portion(start=start, rows=rows))


ROW = [np.int64(1).tobytes(), np.ones(3, np.float32).tobytes()]


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([portion(), ROW[0]], "1 arrays"),
        ([portion(rows=2), *ROW], "2 rows take 16"),
        ([portion(rows=1 << 24), *ROW], "a portion of"),
        ([portion(), ROW[0], np.full(3, np.nan, np.float32).tobytes()], "not finite"),
        ([b"garbage"], "not a message of dexctl"),
        ([encode(say.Beat()), b"more"], "frames after a message"),
        ([encode(OPENED)], "states, not states"),
    ],
)
def test_a_sender_that_breaks_the_rules_is_left(frames, words, false_sender, open_ends):
    found = begin(
        lambda: open_ends(RowReceiver(false_sender.last_endpoint.decode(), "states", None, 10.0)).portions().__next__()
    )
    route, _ = false_sender.recv_multipart()
    false_sender.send_multipart([route, encode(OPENED)])
    false_sender.recv_multipart()
    false_sender.send_multipart([route, *frames])
    error = found()
    assert isinstance(error, ProtocolError), error
    assert words in str(error)


def test_a_description_of_rows_beyond_the_bounds_is_refused(false_sender, open_ends):
    found = begin(lambda: open_ends(RowReceiver(false_sender.last_endpoint.decode(), "states", None, 10.0)))
    route, _ = false_sender.recv_multipart()
    wide = b"\x87" + encode(OPENED)[len(PREFIX) + 1 :].replace(b"\x91\x03", b"\x91\xce\x00\x0f\xff\xff")
    false_sender.send_multipart([route, PREFIX + wide])
    assert isinstance(found(), ProtocolError)


def test_a_silent_sender_is_gone(false_sender, open_ends):
    found = begin(
        lambda: open_ends(RowReceiver(false_sender.last_endpoint.decode(), "states", None, 10.0)).portions().__next__()
    )
    route, _ = false_sender.recv_multipart()
    false_sender.send_multipart([route, encode(OPENED)])
    error = found()
    assert isinstance(error, UnavailableError)
    assert "silent" in str(error)

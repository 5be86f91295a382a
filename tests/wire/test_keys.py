"""Encryption and who is let in: every pair of sides that must not talk, and the one that must."""

import contextlib
import shutil
import socket

import numpy as np
import pytest

from dexctl.console.key_pair import make_key_pair
from dexctl.errors import CreateError, DataError, MissingError, RefusedError
from dexctl.wire.arrivals import Joined, Lost, Refused, Segment
from dexctl.wire.keys import AllowList, server_keys, worker_keys


@pytest.fixture
def keys(tmp_path):
    """Keys of an optimizer and two workers, of which one is allowed."""
    for folder in ("keys", "allowed", "shared"):
        (tmp_path / folder).mkdir(mode=0o700)
    pairs = {name: make_key_pair(tmp_path / "keys" / name) for name in ("optimizer", "other", "known", "unknown")}
    shutil.copy(pairs["known"].public_file, tmp_path / "allowed")
    server = server_keys(pairs["optimizer"].secret_file, tmp_path / "allowed")

    def of(name, optimizer="optimizer"):
        return worker_keys(pairs[name].secret_file, pairs[optimizer].public_file)

    return server, of


@pytest.fixture
def guarded(keys, make_optimizer, inbox_of):
    optimizer = make_optimizer(keys=keys[0])
    return optimizer, inbox_of(optimizer)


def test_a_known_key_is_let_in_and_all_travels_encrypted(
    guarded, keys, make_worker, arrays, closing, proxy_to, tmp_path
):
    optimizer, inbox = guarded
    proxy = closing(proxy_to(optimizer.endpoint, keep=True))
    worker = make_worker(proxy.endpoint, keys=keys[1]("known"), shared_folder=tmp_path / "other")
    optimizer.publish(1, {"weight": np.full(100_000, 3.0, np.float32)})
    version, parameters = worker.parameters(wait_for=1)
    assert float(parameters["weight"].mean()) == 3
    sent = arrays(1)
    sent["observation"][:] = 3.0
    worker.send(version, sent)
    inbox.wait(Segment)
    carried = b"".join(proxy.kept)
    assert len(carried) > 400_000
    assert np.full(8, 3.0, np.float32).tobytes() not in carried
    assert b'{"a":1}' not in carried


def test_an_unknown_key_is_refused_at_once_and_named(guarded, keys, make_worker):
    _, inbox = guarded
    stranger = make_worker(guarded[0].endpoint, keys=keys[1]("unknown"), join=False)
    with pytest.raises(RefusedError, match="refused this worker's key") as error:
        stranger.join()
    assert error.value.code == 77
    (refused,) = inbox.wait(Refused)
    assert refused.peer == "127.0.0.1"
    assert keys[1]("unknown").public.decode() in refused.reason
    assert inbox.of(Joined) == []


@pytest.mark.parametrize("case", ["no key", "wrong server key"])
def test_keys_that_do_not_fit_are_refused_with_77(guarded, keys, make_worker, inbox_of, case):
    mine = {"no key": None, "wrong server key": keys[1]("known", "other")}[case]
    worker = make_worker(guarded[0].endpoint, keys=mine, join=False)
    with pytest.raises(RefusedError, match="keys do not fit"):
        worker.join()
    assert guarded[1].of(Joined) == []


def test_a_worker_with_keys_does_not_talk_to_an_optimizer_without(make_optimizer, keys, make_worker):
    worker = make_worker(make_optimizer().endpoint, keys=keys[1]("known"), join=False)
    with pytest.raises(RefusedError, match="keys do not fit"):
        worker.join()


def test_a_peer_without_a_key_learns_nothing_but_the_greeting(guarded):
    with socket.create_connection(("127.0.0.1", int(guarded[0].endpoint.rsplit(":", 1)[1]))) as raw:
        raw.settimeout(10)
        raw.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00NULL" + bytes(48))
        heard = b""
        with contextlib.suppress(ConnectionResetError):
            while data := raw.recv(4096):
                heard += data
    assert len(heard) <= 64
    assert not heard[12:] or heard[12:17] == b"CURVE"


def test_a_key_that_is_removed_cuts_its_worker_off(guarded, keys, make_worker, tmp_path, arrays):
    _, inbox = guarded
    worker = make_worker(guarded[0].endpoint, keys=keys[1]("known"))
    worker.send(0, arrays())
    inbox.wait(Segment)
    (tmp_path / "allowed" / "known.key").unlink()
    (lost,) = inbox.wait(Lost)
    assert lost.reason == "its key was removed"
    with pytest.raises(RefusedError):
        worker.parameters(wait_for=1)


def test_a_key_that_is_added_later_is_let_in(guarded, keys, make_worker, tmp_path):
    _, inbox = guarded
    shutil.copy(tmp_path / "keys" / "unknown.key", tmp_path / "allowed")

    def joined():
        inbox.pump()
        worker = make_worker(guarded[0].endpoint, keys=keys[1]("unknown"), join=False)
        try:
            return worker.join()
        except RefusedError:
            return None

    # The folder is looked at every tenth of a second.
    assert joined() or joined() or joined()


def test_a_worker_id_belongs_to_the_key_it_came_with(guarded, keys, make_worker, tmp_path, until):
    optimizer, inbox = guarded
    shutil.copy(tmp_path / "keys" / "unknown.key", tmp_path / "allowed")
    allowed = AllowList(tmp_path / "allowed")
    assert len(allowed.names) == 2
    first = make_worker(optimizer.endpoint, keys=keys[1]("known"), name="left")
    first.close()
    inbox.wait(Lost)

    def thief():
        worker = make_worker(optimizer.endpoint, keys=keys[1]("unknown"), name="left", join=False)
        with pytest.raises(RefusedError) as error:
            worker.join()
        return "another key" in str(error.value)

    until(thief)


def test_a_folder_of_keys_that_vanishes_lets_nobody_in(tmp_path, keys):
    allowed = AllowList(tmp_path / "allowed")
    (key,) = allowed.names
    shutil.rmtree(tmp_path / "allowed")
    assert allowed.refresh() == {key}
    assert allowed.names == {}
    assert "cannot be read" in allowed.faults[0]


def test_a_broken_key_file_is_named_and_the_others_count(tmp_path, keys):
    (tmp_path / "allowed" / "broken.key").write_text('curve\n    public-key = "short"\n')
    (tmp_path / "allowed" / "empty.key").write_text("")
    (tmp_path / "allowed" / "other.key").write_text(f'curve\n    public-key = "{40 * "~"}"\n')
    (tmp_path / "allowed" / "torn.key").write_text("curve\n    public-key")
    (tmp_path / "allowed" / "notes.txt").write_text("not a key")
    allowed = AllowList(tmp_path / "allowed")
    assert list(allowed.names.values()) == ["known"]
    assert sorted(fault.split(":")[0].rsplit("/", 1)[1].split()[0] for fault in allowed.faults) == [
        "broken.key",
        "empty.key",
        "other.key",
        "torn.key",
    ]


@pytest.mark.parametrize("host", ["0.0.0.0", "*", "192.0.2.1", "[::]", "example.invalid"])
def test_off_loopback_without_keys_is_refused(make_optimizer, host):
    with pytest.raises(RefusedError, match="no keys") as error:
        make_optimizer(f"tcp://{host}:0")
    assert error.value.code == 77


def test_off_loopback_is_possible_with_keys_or_when_it_is_said(make_optimizer, keys, make_worker):
    guarded = make_optimizer("tcp://0.0.0.0:0", keys=keys[0])
    make_worker(guarded.endpoint.replace("0.0.0.0", "127.0.0.1"), keys=keys[1]("known"))
    open_to_all = make_optimizer("tcp://0.0.0.0:0", insecure=True)
    make_worker(open_to_all.endpoint.replace("0.0.0.0", "127.0.0.1"))


@pytest.mark.parametrize("host", ["localhost", "127.9.9.9", "[::1]"])
def test_loopback_needs_no_keys(make_optimizer, make_worker, host):
    optimizer = make_optimizer(f"tcp://{host}:0")
    assert make_worker(optimizer.endpoint).parameters() is None


def test_a_port_that_is_taken_is_told(make_optimizer):
    with pytest.raises(CreateError, match="Address already in use"):
        make_optimizer(make_optimizer().endpoint)


def test_an_address_of_another_machine_is_told(make_optimizer):
    with pytest.raises(CreateError, match="cannot bind"):
        make_optimizer("tcp://192.0.2.1:0", insecure=True)


def test_a_secret_that_others_can_read_is_not_used(tmp_path, keys):
    secret = tmp_path / "keys" / "known.key_secret"
    secret.chmod(0o640)
    with pytest.raises(RefusedError, match="can be read by others"):
        worker_keys(secret, tmp_path / "keys" / "optimizer.key")
    with pytest.raises(RefusedError, match="can be read by others"):
        server_keys(secret, tmp_path / "allowed")


def test_files_that_are_missing_or_no_keys_are_told(tmp_path, keys):
    good = tmp_path / "keys" / "known.key_secret"
    with pytest.raises(MissingError, match="nothing"):
        worker_keys(good, tmp_path / "nothing.key")
    with pytest.raises(MissingError, match="nothing"):
        server_keys(good, tmp_path / "nothing")
    with pytest.raises(DataError, match="no secret key"):
        worker_keys(tmp_path / "keys" / "known.key", tmp_path / "keys" / "optimizer.key")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(DataError, match="text"):
        worker_keys(tmp_path / "text", tmp_path / "keys" / "optimizer.key")


def test_secrets_do_not_show_in_print(keys):
    server, of = keys
    assert server.secret.decode() not in repr(server)
    assert of("known").secret.decode() not in repr(of("known"))

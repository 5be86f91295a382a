import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dexctl.wire.messages import (
    MAGIC,
    PREFIX,
    PROTOCOL,
    WORKER_CONTROL_BYTES,
    Fault,
    Hello,
    Message,
    Piece,
    Ping,
    SegmentHeader,
    decode_from_optimizer,
    decode_from_worker,
    encode,
)

HELLO = Hello(worker="w", incarnation=1, token=b"", digest="", layout="", host="h", pid=1, memory="", sequence=0)


def read(data):
    return decode_from_worker(memoryview(data))


@pytest.mark.parametrize("message", [HELLO, Ping(version=3)])
def test_what_is_encoded_is_decoded(message):
    assert read(encode(message)) == message


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_a_fault(data):
    for frame in (data, PREFIX + data, encode(HELLO)[:-5] + data):
        for decode in (decode_from_worker, decode_from_optimizer):
            with contextlib.suppress(Fault):
                assert isinstance(decode(memoryview(frame)), Message)


def test_another_protocol_version_is_named():
    frame = MAGIC + bytes([PROTOCOL + 1]) + encode(HELLO)[len(PREFIX) :]
    with pytest.raises(Fault, match=f"wire protocol {PROTOCOL + 1}, this side speaks {PROTOCOL}"):
        read(frame)


def test_a_field_that_is_not_in_the_protocol_is_refused():
    body = {"kind": "ping", "version": 1, "more": 1}
    with pytest.raises(Fault, match="more"):
        read(PREFIX + msgspec.msgpack.encode(body))


@pytest.mark.parametrize("value", [-1, 2**63, 1.5, "1", None])
def test_a_value_out_of_its_bounds_is_refused(value):
    with pytest.raises(Fault):
        read(PREFIX + msgspec.msgpack.encode({"kind": "ping", "version": value}))


def test_a_worker_cannot_speak_as_an_optimizer():
    with pytest.raises(Fault):
        read(encode(Piece(version=1, offset=0)))


def test_a_long_control_frame_is_refused_before_it_is_read():
    with pytest.raises(Fault, match="at most"):
        read(PREFIX + bytes(WORKER_CONTROL_BYTES))


def test_a_report_has_at_most_sixty_four_numbers():
    report = {str(i): 0.0 for i in range(65)}
    header = SegmentHeader(worker="w", sequence=1, version=0, environments=1, steps=1, report=report)
    with pytest.raises(Fault, match="64"):
        read(encode(header))

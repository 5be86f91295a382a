"""Bytes that are nearly right: whole ones cut, changed, sewn together, or with one value of their tree replaced."""

import json

import msgspec
from hypothesis import strategies as st

from dexctl.wire.messages import PREFIX

# What programs seldom expect where something else stood.
VALUES = (
    *(None, True, -1, 0, 1, 7, 1 << 31, (1 << 63) - 1, -(1 << 63), 10**30, 0.5, 1e308, -0.0),
    *("", "\0", "x" * 300, "../..", "é\ud800", [], {}, [[]], [None], ["a", "a"], {"a": {}}, {"": 1}, [1e6, 1e6]),
)
DEEP = (b"[", b'{"a":', b"\x91", b"\x81\xa1a", b"a=[", b"a.b.")
DEPTH = 20_000


@st.composite
def broken(draw, seeds):
    """Bytes made from one of the seeds."""
    seed = draw(st.sampled_from(seeds))
    return draw(st.sampled_from((changed, changed, cut, sewn, deep, other_value, other_value, other_value)))(draw, seed)


def cut(draw, seed):
    return seed[: draw(st.integers(0, len(seed)))]


def changed(draw, seed):
    content = bytearray(seed)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        content[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=6))
    return bytes(content)


def sewn(draw, seed):
    first, second = (draw(st.integers(0, len(seed))) for _ in range(2))
    return seed[:first] + seed[second:]


def deep(draw, seed):
    return cut(draw, seed) + draw(st.sampled_from(DEEP)) * DEPTH


def other_value(draw, seed):
    """One value somewhere in a tree of JSON or MessagePack replaced or left out; other bytes changed."""
    # A dataset's file has its number before it, a message the protocol's prefix.
    for start in (0, 1, len(PREFIX)):
        for read, write in ((json.loads, as_json), (msgspec.msgpack.decode, msgspec.msgpack.encode)):
            try:
                tree = read(seed[start:])
                if isinstance(tree, dict | list):
                    return seed[:start] + write(with_another_value(draw, tree))
            except (ValueError, OverflowError, msgspec.DecodeError, TypeError):
                continue
    return changed(draw, seed)


def as_json(tree):
    return json.dumps(tree).encode()


def with_another_value(draw, tree):
    """Changes the tree in place, and gives it."""
    at = tree
    while True:
        keys = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not keys:
            return draw(st.sampled_from(VALUES))
        key = draw(st.sampled_from(keys))
        inner = at[key]
        if not (isinstance(inner, dict | list) and inner) or draw(st.integers(0, 4)) == 0:
            break
        at = inner
    if draw(st.integers(0, 4)) == 0:
        del at[key]
    else:
        at[key] = draw(st.sampled_from(VALUES))
    return tree

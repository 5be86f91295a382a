import threading

import pytest

from dexctl.vision.rendering.ahead import Ahead


def everything(ahead):
    found = []
    while not ahead.over:
        item = ahead.take(wait=True)
        if item is not None:
            found.append(item)
    return found


def test_items_come_in_order_and_end():
    with Ahead(iter(range(1, 8)), 2) as ahead:
        assert everything(ahead) == [1, 2, 3, 4, 5, 6, 7]
        assert ahead.take(wait=False) is None


def test_an_error_comes_after_what_was_before_it():
    def items():
        yield 1
        yield 2
        raise ValueError("broke off")

    with Ahead(items(), 5) as ahead:
        assert [ahead.take(wait=True), ahead.take(wait=True)] == [1, 2]
        with pytest.raises(ValueError, match="broke off"):
            ahead.take(wait=True)
        assert ahead.over


def test_a_quiet_iterator_keeps_nobody_waiting():
    quiet = threading.Event()

    def items():
        quiet.wait()
        yield 1

    with Ahead(items(), 1) as ahead:
        assert ahead.take(wait=True) is None
        assert not ahead.over
        quiet.set()
        assert everything(ahead) == [1]

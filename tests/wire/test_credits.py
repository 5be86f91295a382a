from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from dexctl.wire.credits import Credits

EACH, TOTAL = 3, 7
moves = st.lists(st.tuples(st.sampled_from("jlaks"), st.sampled_from("abcd")), max_size=80)


@given(moves)
def test_no_worker_and_no_crowd_ever_holds_more_than_its_share(moves):
    pool = Credits(EACH, TOTAL)
    granted, arrived, here = Counter(), Counter(), set()
    for move, worker in moves:
        if move == "j":
            pool.join(worker)
            granted[worker] = 0
            here.add(worker)
        elif move == "l":
            pool.leave(worker)
            granted[worker] = 0
            here.discard(worker)
        elif move == "a":
            may = granted[worker] > 0
            assert pool.arrive(worker) == may
            granted[worker] -= may
            arrived[worker] += may
        elif move == "k" and arrived[worker]:
            pool.acknowledge(worker)
            arrived[worker] -= 1
        granted.update(pool.grant())
        assert (granted + arrived).total() <= TOTAL
        for name in "abcd":
            assert granted[name] + arrived[name] <= EACH
            assert not granted[name] or name in here
    # Nothing leaks: when all is given back, there is as much as at first.
    for name in "abcd":
        pool.leave(name)
        for _ in range(arrived[name]):
            pool.acknowledge(name)
    for name in "abcd":
        pool.join(name)
    assert sum(pool.grant().values()) == TOTAL


def test_scarce_credits_go_round():
    pool = Credits(each=2, total=3)
    counts = Counter()
    for name in "abcde":
        pool.join(name)
    held = Counter(pool.grant())
    for _ in range(500):
        worker = next(iter(held))
        held[worker] -= 1
        held += Counter()
        assert pool.arrive(worker)
        counts[worker] += 1
        pool.acknowledge(worker)
        held.update(pool.grant())
    assert max(counts.values()) - min(counts.values()) <= 2


def test_a_segment_without_a_credit_is_told():
    pool = Credits(each=1, total=9)
    pool.join("a")
    pool.grant()
    assert pool.arrive("a")
    assert not pool.arrive("a")
    assert not pool.arrive("never joined")

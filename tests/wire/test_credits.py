from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from dexctl.wire.credits import Credits

EACH, TOTAL = 3, 9
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
    for name in "abc":
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


def test_workers_that_hang_leave_the_others_their_part():
    # Segments of the paper's size: 44 fit into the buffer.
    pool = Credits(each=4, total=44)
    workers = [f"worker {number}" for number in range(22)]
    for worker in workers:
        pool.join(worker)
    held, counts, hanging = Counter(pool.grant()), Counter(), set(workers[:11])
    for _ in range(1000):
        able = [worker for worker in held if worker not in hanging and held[worker]]
        assert able
        worker = able[0]
        held[worker] -= 1
        assert pool.arrive(worker)
        counts[worker] += 1
        pool.acknowledge(worker)
        held.update(pool.grant())
    pool.join("a late one")
    (worker,) = {name for name in held if name not in hanging and held[name] > 1} & {workers[-1]}
    assert pool.arrive(worker)
    pool.acknowledge(worker)
    assert pool.grant() == {"a late one": 1}


def test_those_who_came_first_do_not_keep_more_than_those_who_come_later():
    pool = Credits(each=4, total=8)
    pool.join("first")
    assert pool.grant() == {"first": 4}
    for name in "abc":
        pool.join(name)
    assert pool.grant() == {"a": 2, "b": 1, "c": 1}
    for _ in range(4):
        pool.arrive("first")
        pool.acknowledge("first")
    assert pool.grant() == {"b": 1, "c": 1, "first": 2}


def test_a_segment_without_a_credit_is_told():
    pool = Credits(each=1, total=9)
    pool.join("a")
    pool.grant()
    assert pool.arrive("a")
    assert not pool.arrive("a")
    assert not pool.arrive("never joined")

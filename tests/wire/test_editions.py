import pytest

from dexctl.wire.editions import KEPT_VERSIONS, PATIENCE_S, Editions, Notice


def block(size):
    return memoryview(bytes(size))


@pytest.fixture
def editions():
    return Editions()


def hosting(editions, *names, memory="memory"):
    for name in names:
        editions.join(name, memory)
    editions.publish(1, block(10))
    return editions.due(0.0)


def test_one_worker_of_a_host_fetches_and_then_the_others_are_told(editions):
    assert hosting(editions, "a", "b", "c") == [Notice("a", 1, 10, True)]
    assert editions.fetch("a", 1, 0.0).nbytes == 10
    assert editions.due(0.0) == []
    editions.have("a", 1, True, 0.0)
    assert editions.due(0.0) == [Notice("b", 1, 10, False), Notice("c", 1, 10, False)]
    assert editions.due(9.0) == []


def test_a_worker_alone_on_its_host_keeps_what_it_fetches_to_itself(editions):
    assert hosting(editions, "a") == [Notice("a", 1, 10, False)]
    editions.have("a", 1, False, 0.0)
    editions.join("b", "memory")
    assert editions.due(0.0) == [Notice("b", 1, 10, True)]
    editions.have("b", 1, True, 0.0)
    editions.publish(2, block(10))
    assert editions.due(0.0) == [Notice("b", 2, 10, True)]


def test_what_was_fetched_before_sharing_was_asked_for_says_nothing_about_it(editions):
    hosting(editions, "a")
    editions.join("b", "memory")
    editions.publish(2, block(10))
    assert editions.due(0.0) == [Notice("a", 2, 10, True)]
    editions.have("a", 1, False, 0.0)
    assert editions.due(0.0) == []
    editions.have("a", 2, True, 0.0)
    assert editions.due(0.0) == [Notice("b", 2, 10, False)]


def test_workers_without_shared_memory_fetch_each_for_itself(editions):
    assert hosting(editions, "a", "b", memory="") == [Notice("a", 1, 10, False), Notice("b", 1, 10, False)]


def test_when_sharing_fails_everybody_fetches(editions):
    hosting(editions, "a", "b")
    editions.have("a", 1, False, 0.0)
    assert editions.due(0.0) == [Notice("b", 1, 10, False)]


@pytest.mark.parametrize("how", ["leaves", "sleeps"])
def test_the_next_one_fetches_when_the_first(editions, how):
    hosting(editions, "a", "b", "c")
    assert editions.due(PATIENCE_S - 1) == []
    if how == "leaves":
        editions.leave("a")
    assert editions.due(PATIENCE_S + 1) == [Notice("b", 1, 10, True)]


def test_a_slow_host_hears_of_what_it_has_while_a_newer_one_is_fetched(editions):
    hosting(editions, "a", "b")
    editions.fetch("a", 1, 0.0)
    editions.publish(2, block(10))
    editions.have("a", 1, True, 0.0)
    assert editions.due(0.0) == [Notice("a", 2, 10, True), Notice("b", 1, 10, False)]


def test_a_late_worker_is_told_of_the_newest_alone(editions):
    for version in (1, 2, 3):
        editions.publish(version, block(10))
    editions.join("late", "")
    assert editions.due(0.0) == [Notice("late", 3, 10, False)]


def test_old_versions_are_kept_only_while_they_are_fetched_and_never_many(editions):
    for number in range(9):
        editions.join(f"w{number}", "")
        editions.publish(number + 1, block(10))
        editions.due(0.0)
        editions.fetch(f"w{number}", number + 1, 0.0)
    kept = [version for version in range(1, 10) if editions.fetch("w8", version, 0.0)]
    assert kept == list(range(10 - KEPT_VERSIONS, 10))
    for number in range(9):
        editions.have(f"w{number}", number + 1, True, 0.0)
    assert [version for version in range(1, 10) if editions.fetch("w8", version, 0.0)] == [9]


def test_a_worker_that_boasts_of_a_version_nobody_published_changes_nothing(editions):
    hosting(editions, "a", "b")
    editions.have("a", 99, True, 0.0)
    assert editions.due(0.0) == []

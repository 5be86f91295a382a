import pytest

from dexctl.wire.editions import KEPT_VERSIONS, PATIENCE_S, Editions


def block(size):
    return memoryview(bytes(size))


@pytest.fixture
def editions():
    return Editions("own")


def test_workers_of_the_optimizers_host_are_told_at_once(editions):
    editions.join("a", "own", 0.0)
    editions.join("b", "own", 0.0)
    editions.publish(1, block(10), shared=True)
    assert editions.due(0.0) == [("a", 1, 10), ("b", 1, 10)]
    assert editions.due(9.0) == []


def test_one_worker_of_another_host_fetches_and_then_the_others_are_told(editions):
    for name in ("a", "b", "c"):
        editions.join(name, "other", 0.0)
    editions.publish(1, block(10), shared=True)
    assert editions.due(0.0) == [("a", 1, 10)]
    assert editions.fetch("a", 1, 0.0).nbytes == 10
    editions.have("a", 1, True, 0.0)
    assert editions.due(0.0) == [("b", 1, 10), ("c", 1, 10)]


def test_workers_without_shared_memory_fetch_each_for_itself(editions):
    for name in ("a", "b"):
        editions.join(name, "", 0.0)
    editions.publish(1, block(10), shared=True)
    assert editions.due(0.0) == [("a", 1, 10), ("b", 1, 10)]


def test_when_sharing_fails_everybody_fetches(editions):
    for name in ("a", "b"):
        editions.join(name, "other", 0.0)
    editions.publish(1, block(10), shared=True)
    editions.due(0.0)
    editions.have("a", 1, False, 0.0)
    assert editions.due(0.0) == [("b", 1, 10)]


def test_a_version_that_could_not_be_shared_here_is_fetched_once_too(editions):
    for name in ("a", "b"):
        editions.join(name, "own", 0.0)
    editions.publish(1, block(10), shared=False)
    assert editions.due(0.0) == [("a", 1, 10)]


@pytest.mark.parametrize("how", ["leaves", "sleeps"])
def test_the_next_one_fetches_when_the_first(editions, how):
    for name in ("a", "b", "c"):
        editions.join(name, "other", 0.0)
    editions.publish(1, block(10), shared=True)
    editions.due(0.0)
    assert editions.due(PATIENCE_S - 1) == []
    if how == "leaves":
        editions.leave("a")
    assert editions.due(PATIENCE_S + 1) == [("b", 1, 10)]


def test_a_slow_host_hears_of_what_it_has_while_a_newer_one_is_fetched(editions):
    for name in ("a", "b"):
        editions.join(name, "other", 0.0)
    editions.publish(1, block(10), shared=True)
    editions.due(0.0)
    editions.fetch("a", 1, 0.0)
    editions.publish(2, block(10), shared=True)
    editions.have("a", 1, True, 0.0)
    assert sorted(editions.due(0.0)) == [("a", 2, 10), ("b", 1, 10)]


def test_a_late_worker_is_told_of_the_newest_alone(editions):
    for version in (1, 2, 3):
        editions.publish(version, block(10), shared=True)
    editions.join("late", "", 0.0)
    assert editions.due(0.0) == [("late", 3, 10)]


def test_old_versions_are_kept_only_while_they_are_fetched_and_never_many(editions):
    for number in range(9):
        editions.join(f"w{number}", "", 0.0)
        editions.publish(number + 1, block(10), shared=True)
        editions.due(0.0)
        editions.fetch(f"w{number}", number + 1, 0.0)
    kept = [version for version in range(1, 10) if editions.fetch("w8", version, 0.0)]
    assert kept == list(range(10 - KEPT_VERSIONS, 10))
    for number in range(9):
        editions.have(f"w{number}", number + 1, True, 0.0)
    assert [version for version in range(1, 10) if editions.fetch("w8", version, 0.0)] == [9]


def test_a_worker_that_boasts_of_a_version_nobody_published_changes_nothing(editions):
    for name in ("a", "b"):
        editions.join(name, "other", 0.0)
    editions.publish(1, block(10), shared=True)
    editions.due(0.0)
    editions.have("a", 99, True, 0.0)
    assert editions.due(0.0) == []

"""The optimizer's loop between real sockets: what it takes, what it leaves, what it tells."""

import threading

import pytest

from dexctl.ppo.training import Training
from dexctl.rollout.segment import segment_layout
from dexctl.wire.optimizer import OptimizerEndpoint
from dexctl.wire.worker import WorkerEndpoint

ACTUATORS = 2
TURNS = 400


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def open_training(toy, make_learner, tmp_path):
    """A training with its endpoint, the events it emits, and workers to join it."""
    closing = []

    def open_training(*settings, sync_workers=None, clock=None):
        fast = ["wire.heartbeat_s=0.1", "wire.timeout_s=1.0", "wire.orphan_timeout_s=5.0"]
        profile = toy("feedforward", *fast, *settings)
        layout = segment_layout(profile, ACTUATORS)
        folder = tmp_path / "shared"
        endpoint = OptimizerEndpoint("tcp://127.0.0.1:0", b"{}", "d", layout, profile.wire, 0)
        closing.append(endpoint)
        events = []
        options = {"clock": clock} if clock else {}
        training = Training(
            make_learner(profile),
            endpoint,
            lambda event, /, **fields: events.append((event, fields)),
            sync_workers,
            **options,
        )
        closing.append(training)

        def join(name):
            worker = WorkerEndpoint([endpoint.endpoint], "", profile.wire, name=name, shared_folder=folder)
            closing.append(worker)
            worker.join()
            return worker

        return training, events, join

    yield open_training
    for one in reversed(closing):
        one.close()


def turn_until(training, done):
    for _ in range(TURNS):
        training.turn(0.05)
        if done():
            return
    raise AssertionError("waited too long")


def of(events, kind):
    return [fields for event, fields in events if event == kind]


def turn_until_told(training, events, kind, count=1):
    turn_until(training, lambda: len(of(events, kind)) >= count)


def turn_until_held(training, count):
    turn_until(training, lambda: sum(map(len, training._held.values())) >= count)


def turn_until_version(training, version):
    turn_until(training, lambda: training.learner.version >= version)


def send(worker, version, arrays, **report):
    """From a thread of its own, as a worker in another process would: it may have to wait for a credit."""
    thread = threading.Thread(target=worker.send, args=(version, arrays, report), daemon=True)
    thread.start()
    return thread


def test_enough_experience_is_an_update_and_the_next_policy(open_training, made_up):
    training, events, join = open_training()
    worker = join("a")
    version, _ = worker.parameters(wait_for=1)
    assert version == 1
    send(worker, version, made_up(training.learner.profile), physics_s=3.0, inference_s=0.5, total_s=4.0, failures=2.0)
    turn_until_told(training, events, "iteration")
    version, _ = worker.parameters(wait_for=2)
    assert version == training.learner.version == 2
    (told,) = of(events, "iteration")
    assert (told["version"], told["steps"], told["workers"]) == (2, 256, 1)
    assert (told["staleness"], told["steps_dropped"], told["simulation_failures"]) == (0, 0, 2)
    assert told["share"]["worker_physics"] == pytest.approx(0.75)
    assert told["simulated_years"] == pytest.approx(256 * 0.08 / (365.25 * 24 * 3600))
    assert [fields["name"] for fields in of(events, "worker_joined")] == ["a"]


def test_experience_that_is_too_old_is_dropped_and_the_rest_says_how_old_it_is(open_training, made_up):
    training, events, join = open_training("ppo.max_staleness=1")
    worker = join("a")
    worker.parameters(wait_for=1)
    for update in (1, 2):
        send(worker, 1, made_up(training.learner.profile, update))
        turn_until_told(training, events, "iteration", update)
    send(worker, 1, made_up(training.learner.profile, 3))
    turn_until(training, lambda: training._window.dropped_steps == 256)
    assert [told["staleness"] for told in of(events, "iteration")] == [0, 1]
    # The worker goes on with the newest, and the next update tells what was dropped.
    worker.parameters(wait_for=3)
    send(worker, 3, made_up(training.learner.profile, 5))
    turn_until_told(training, events, "iteration", 3)
    assert of(events, "iteration")[-1]["steps_dropped"] == 256
    assert training.learner.steps == 3 * 256


def test_synchronous_updates_take_every_worker_in_order_whoever_comes_first(open_training, made_up):
    states = []
    for order in ((0, 1), (1, 0)):
        training, events, join = open_training("ppo.batch_steps=512", sync_workers=2)
        assert training.segments_per_version == 1
        workers = [join(name) for name in ("a", "b")]
        for index in order:
            workers[index].parameters(wait_for=1)
            send(workers[index], 1, made_up(training.learner.profile, seed=index))
            if index == order[0]:
                turn_until_held(training, 1)
        turn_until_told(training, events, "iteration")
        assert training.learner.steps == 512
        states.append({name: value.clone() for name, value in training.learner.state().items()})
    assert all(bool((states[0][name] == states[1][name]).all()) for name in states[0])


def test_a_synchronous_update_waits_for_the_slowest(open_training, made_up):
    training, events, join = open_training("ppo.batch_steps=512", sync_workers=2)
    workers = [join(name) for name in ("a", "b")]
    workers[0].parameters(wait_for=1)
    send(workers[0], 1, made_up(training.learner.profile))
    turn_until_held(training, 1)
    for _ in range(5):
        assert not training.turn(0.01)
    workers[1].parameters(wait_for=1)
    send(workers[1], 1, made_up(training.learner.profile, 1))
    turn_until_told(training, events, "iteration")


def test_a_synchronous_update_without_a_whole_episode_goes_on(open_training, made_up):
    training, events, join = open_training("ppo.whole_episodes=true", sync_workers=1)
    worker = join("a")
    for version in (1, 2):
        worker.parameters(wait_for=version)
        send(worker, version, made_up(training.learner.profile, version, ends=float(version == 2)))
        turn_until_version(training, version + 1)
    (told,) = of(events, "iteration")
    assert (told["steps"], told["staleness_counts"]) == (512, [256, 256])


def test_a_synchronous_version_takes_more_segments_than_a_worker_has_credits(open_training, made_up):
    training, events, join = open_training("wire.credits=1", "ppo.batch_steps=768", sync_workers=1)
    assert training.segments_per_version == 3
    worker = join("a")
    worker.parameters(wait_for=1)
    for held in range(3):
        sending = send(worker, 1, made_up(training.learner.profile, held))
        turn_until(training, lambda: not sending.is_alive())  # noqa: B023
    turn_until_told(training, events, "iteration")


def test_another_in_a_dead_workers_place_begins_the_version_anew(open_training, made_up):
    training, events, join = open_training("wire.credits=2", "ppo.batch_steps=1024", sync_workers=2)
    assert training.segments_per_version == 2
    # More deaths than there are credits: each leaves a segment that is waited with.
    for death in range(3):
        worker = join("a")
        worker.parameters(wait_for=1)
        send(worker, 1, made_up(training.learner.profile, death))
        turn_until_held(training, 1)
        worker.close()
        turn_until_told(training, events, "worker_lost", death + 1)
    workers = [join(name) for name in ("a", "b")]
    for index, worker in enumerate(workers):
        worker.parameters(wait_for=1)
        for seed in (10, 11):
            send(worker, 1, made_up(training.learner.profile, seed + 2 * index)).join()
    turn_until_told(training, events, "iteration")
    (told,) = of(events, "iteration")
    assert (training.learner.steps, told["steps_dropped"]) == (1024, 3 * 256)


def test_a_synchronous_worker_that_was_silent_is_not_waited_for_in_vain(open_training, made_up):
    training, events, join = open_training("ppo.batch_steps=512", sync_workers=2)
    workers = [join(name) for name in ("a", "b")]
    # It has sent what the version takes, is lost, and comes back: it will not send that again.
    workers[0].parameters(wait_for=1)
    send(workers[0], 1, made_up(training.learner.profile))
    turn_until_held(training, 1)
    workers[0]._thread._connection.cut()
    turn_until_told(training, events, "worker_lost")
    turn_until_told(training, events, "worker_joined", 3)
    workers[1].parameters(wait_for=1)
    send(workers[1], 1, made_up(training.learner.profile, 1))
    turn_until_told(training, events, "iteration")
    assert of(events, "iteration")[0]["steps_dropped"] == 0
    for worker in workers:
        assert worker.parameters(wait_for=2)


def test_who_keeps_a_synchronous_update_waiting_is_named_every_minute(open_training, made_up):
    clock = Clock()
    training, events, join = open_training("ppo.batch_steps=768", sync_workers=3, clock=clock)
    workers = [join(name) for name in ("a", "b")]
    workers[0].parameters(wait_for=1)
    # A segment that took 30 s may take thrice as long.
    send(workers[0], 1, made_up(training.learner.profile), total_s=30.0)
    turn_until_held(training, 1)
    for seconds, warnings in ((61.0, 0), (91.0, 1), (150.0, 1), (182.0, 2)):
        clock.now = seconds
        training.turn(0.0)
        assert len(of(events, "warning")) == warnings
    told = of(events, "warning")[0]["message"]
    assert told.startswith("no experience for 91 s: a synchronous update waits for b (process ")
    assert "1 that never came. Let it go on, or kill -9" in told
    assert "a (process" not in told
    workers[1].close()
    turn_until_told(training, events, "worker_lost")
    clock.now = 300.0
    training.turn(0.0)
    told = of(events, "warning")[-1]["message"]
    assert told.partition(" on ")[2].partition(", ")[2].startswith("which is gone: said goodbye, 1 that never came. ")


def test_a_minute_without_workers_is_told_every_minute(open_training):
    clock = Clock()
    training, events, join = open_training(clock=clock)
    for seconds, warnings in ((59.0, 0), (61.0, 1), (119.0, 1), (125.0, 2)):
        clock.now = seconds
        training.turn(0.0)
        assert len(of(events, "warning")) == warnings
    assert of(events, "warning")[0]["message"] == f"no workers at {training.endpoint.endpoint} for a minute"
    join("a")
    turn_until(training, lambda: training.num_workers == 1)
    clock.now = 1000.0
    training.turn(0.0)
    assert len(of(events, "warning")) == 2


def test_somebody_refused_is_told(open_training):
    training, events, _ = open_training()
    other = WorkerEndpoint([training.endpoint.endpoint], "another", training.learner.profile.wire, timeout_s=5.0)
    refused = []

    def join():
        try:
            other.join()
        except Exception as error:
            refused.append(error)

    thread = threading.Thread(target=join)
    thread.start()
    turn_until_told(training, events, "warning")
    thread.join(10)
    other.close()
    assert "refused" in of(events, "warning")[0]["message"]
    assert refused[0].code == 76

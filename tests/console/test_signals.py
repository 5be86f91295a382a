import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dexctl.console.exit_codes import Stopped
from dexctl.console.signals import STOPPING, Signals

WAIT = Path(__file__).parent / "programs" / "wait_for_signals.py"


@pytest.fixture
def start():
    processes = []

    def start(*arguments, before=()):
        command = [*before, sys.executable, str(WAIT), *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        read_until(process, "ready")
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def read_until(process, event):
    for line in process.stdout:
        parsed = json.loads(line)
        if parsed["event"] == event:
            return parsed
    raise AssertionError(f"no {event}")


@pytest.mark.parametrize("number", STOPPING)
def test_the_first_signal_stops_a_blocked_poll_in_good_order(start, number):
    process = start()
    process.send_signal(number)
    end = read_until(process, "end")
    assert (end["status"], end["code"]) == ("stopped", 128 + number)
    assert process.wait(10) == 128 + number


def test_the_second_signal_leaves_now(start):
    process = start("linger")
    process.send_signal(signal.SIGINT)
    read_until(process, "stopping")
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 128 + signal.SIGTERM
    assert process.stdout.read() == ""


def test_usr1_asks_for_one_status_event_each(start):
    process = start()
    for _ in range(3):
        process.send_signal(signal.SIGUSR1)
        assert read_until(process, "status")["answer"] == 42
    process.send_signal(signal.SIGTERM)
    assert read_until(process, "stopping")["seq"] == 5


def test_a_hangup_ignored_by_nohup_stays_ignored(start):
    process = start(before=["nohup"])
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGUSR1)
    read_until(process, "status")
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 143


def test_leaving_restores_what_was_there():
    handlers = {number: signal.getsignal(number) for number in (*STOPPING, signal.SIGUSR1)}
    with Signals():
        assert signal.getsignal(signal.SIGINT) != handlers[signal.SIGINT]
    assert {number: signal.getsignal(number) for number in handlers} == handlers
    assert signal.set_wakeup_fd(-1) == -1


def test_a_wait_ends_with_the_signal_and_the_flag_is_kept():
    with Signals() as signals:
        signals.raise_if_stopped()
        assert not signals.wait(0)
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.wait(60)
        assert not signals.wait(0)
        with pytest.raises(Stopped) as stopped:
            signals.raise_if_stopped()
    assert stopped.value.code == 143

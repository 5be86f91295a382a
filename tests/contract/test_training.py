"""Training as people and scripts run it: an optimizer and its workers as processes, killed, stopped and resumed."""

import json
import os
import queue
import select
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

PATIENCE_S = 120.0
PROFILE = """
inherits = "block-yaw"
description = "small enough for a second a run"

[task]
start_random_steps = 2
start_bank = 8
start_refresh = 2

[rollout]
environments = 8
segment_steps = 16

[policy.actor]
hidden = [16]

[policy.critic]
hidden = [16]

[ppo]
batch_steps = 256
epochs = 1.0

[run]
checkpoint_s = 0.2
workers = 2
"""


class Program:
    """A command whose events and messages can be waited for."""

    def __init__(self, line, environment, folder):
        self.process = subprocess.Popen(
            ["sh", "-c", f"exec {line}"],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.events, self.messages = [], []
        self._lines = queue.Queue()
        readers = ((self.process.stdout, self._event), (self.process.stderr, self.messages.append))
        self._threads = [threading.Thread(target=self._read, args=reader, daemon=True) for reader in readers]
        for thread in self._threads:
            thread.start()

    def _event(self, line):
        self.events.append(json.loads(line))

    def _read(self, stream, take):
        for line in stream:
            take(line)
            self._lines.put(line)
        self._lines.put(None)

    def of(self, kind):
        return [event for event in list(self.events) if event["event"] == kind]

    def wait(self, kind, count=1, that=lambda event: True):
        """The first so many events of a kind."""
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            found = [event for event in self.of(kind) if that(event)]
            if len(found) >= count:
                return found[:count]
            try:
                self._lines.get(timeout=1.0)
            except queue.Empty:
                assert self.process.poll() is None, f"ended before {count} {kind}: {''.join(self.messages)}"
        raise AssertionError(f"no {count} {kind} in {PATIENCE_S:.0f} s, but {self.events[-3:]}")

    def end(self):
        """Exit code of a command that ends by itself."""
        code = self.process.wait(PATIENCE_S)
        for thread in self._threads:
            thread.join(PATIENCE_S)
        return code

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.communicate()


@pytest.fixture
def start(environment, tmp_path):
    programs = []
    (tmp_path / "toy.toml").write_text(PROFILE)

    def start(line, **variables):
        programs.append(Program(f"dexctl {line}", {**environment, **variables}, tmp_path))
        return programs[-1]

    yield start
    for program in reversed(programs):
        program.stop()


def checkpoints(folder):
    return sorted(path.name for path in (folder / "checkpoints").glob("*.safetensors"))


def steps_of(program):
    return [event["steps"] for event in program.of("iteration")]


def gone(pid):
    """Whether a process has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until_gone(pids):
    """Waits on the kernel's own handles of processes."""
    deadline_s = time.monotonic() + PATIENCE_S
    for pid in pids:
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            assert select.select([handle], [], [], deadline_s - time.monotonic())[0], f"process {pid} stays"
        finally:
            os.close(handle)
    assert all(map(gone, pids))


def test_training_makes_checkpoints_and_events_and_the_same_command_goes_on(start, shell, tmp_path):
    command = "optimize -p toy.toml --run run --workers 2"
    first = start(f"{command} --steps 1024")
    assert first.end() == 0, first.messages
    kinds = [event["event"] for event in first.events]
    assert kinds[:3] == ["start", "listening", "ready"]
    assert kinds[-1] == "end"
    assert first.events[-1]["status"] == "done"
    assert len(first.of("worker_joined")) >= 2
    assert steps_of(first)[-1] >= 1024
    assert first.of("checkpoint")[-1]["steps"] == steps_of(first)[-1]
    run = tmp_path / "run"
    assert not [message for message in first.messages if not message.startswith("info: ")]
    # Everything is in the run folder: the same events, the profile, the newest checkpoints, a curve, the workers' logs.
    written = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    assert written == first.events
    assert 1 <= len(checkpoints(run)) <= 3
    assert (run / "learning.png").stat().st_size > 1000
    assert (run / "profile.toml").exists()
    assert sorted(path.name for path in (run / "workers").iterdir()) == ["worker-0.log", "worker-1.log"]
    wait_until_gone([event["pid"] for event in first.of("worker_joined")])
    again = start(f"{command} --steps 2048")
    assert again.end() == 0, again.messages
    (ready,) = again.of("ready")
    assert (ready["resumed"], ready["steps"]) == (True, steps_of(first)[-1])
    assert steps_of(again)[0] > steps_of(first)[-1]
    assert again.of("iteration")[0]["version"] == first.of("iteration")[-1]["version"] + 1
    assert again.of("iteration")[0]["elapsed_s"] > first.of("iteration")[-1]["elapsed_s"]
    assert again.events[0]["seq"] == first.events[-1]["seq"] + 1
    # Enough is enough: with nothing left to do it ends at once.
    assert start(f"{command} --steps 2048").end() == 0
    # What came of it can be told and scored.
    assert shell("dexctl inspect run --json").returncode == 0
    scored = shell("dexctl evaluate --policy run --trials 2 --set evaluate.goal_timeout_s=0.8 --json")
    assert scored.returncode == 0, scored.stderr
    assert len(json.loads(scored.stdout)["policies"][0]["trials"]) == 2


def test_synchronous_training_repeats_bit_by_bit(start, tmp_path):
    def train(name):
        program = start(f"optimize -p toy.toml --run {name} --workers 2 --sync --steps 768")
        assert program.end() == 0, program.messages
        assert [event["staleness"] for event in program.of("iteration")] == [0.0] * 3
        return load_file(tmp_path / name / "checkpoints" / checkpoints(tmp_path / name)[-1])

    first, second = train("a"), train("b")
    assert first.keys() == second.keys()
    assert all(bool((first[name] == second[name]).all()) for name in first)


def test_an_interrupt_leaves_a_checkpoint_that_resumes(start):
    first = start("optimize -p toy.toml --run run --workers 1 --set run.checkpoint_s=1000.0")
    first.wait("iteration", 2)
    asked_s = time.monotonic()
    first.process.send_signal(signal.SIGINT)
    assert first.end() == 130
    assert time.monotonic() - asked_s < 20
    assert first.events[-1]["status"] == "stopped"
    (saved,) = first.of("checkpoint")
    assert saved["steps"] == steps_of(first)[-1]
    wait_until_gone([event["pid"] for event in first.of("worker_joined")])
    again = start(f"optimize -p toy.toml --run run --workers 1 --steps {saved['steps'] + 256}")
    assert again.wait("ready")[0]["steps"] == saved["steps"]
    assert again.end() == 0


def test_a_killed_worker_is_started_again_and_training_goes_on(start):
    program = start("optimize -p toy.toml --run run --workers 2")
    joined = program.wait("worker_joined", 2)
    program.wait("iteration")
    os.kill(joined[0]["pid"], signal.SIGKILL)
    (lost,) = program.wait("worker_lost")
    assert lost["name"] == joined[0]["name"]
    program.wait("warning", that=lambda event: "status -9; starting it again" in event["message"])
    back = program.wait("worker_joined", 3)[2]
    assert (back["name"], back["worker"]) == (joined[0]["name"], joined[0]["worker"])
    before = len(program.of("iteration"))
    program.wait("iteration", before + 2)
    assert program.wait("iteration", before + 2)[-1]["workers"] == 2


def test_a_killed_optimizer_resumes_from_its_last_checkpoint_and_its_workers_leave(start, tmp_path):
    orphans = "wire.heartbeat_s=0.2; wire.timeout_s=1.0; wire.orphan_timeout_s=2.0"
    first = start("optimize -p toy.toml --run run --workers 2", DEXCTL_SET=orphans)
    workers = [event["pid"] for event in first.wait("worker_joined", 2)]
    first.wait("checkpoint", 2)
    first.process.kill()
    first.end()
    wait_until_gone(workers)
    last = first.of("checkpoint")[-1]
    again = start(f"optimize -p toy.toml --run run --workers 2 --steps {last['steps'] + 256}")
    # Killed while it wrote: what it told last is there, or something newer.
    assert again.wait("ready")[0]["steps"] >= last["steps"]
    assert again.end() == 0, again.messages
    whole = [json.loads(line) for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    assert [event["seq"] for event in whole] == list(range(len(whole)))


def test_a_worker_started_by_hand_works_until_the_training_is_over(start, tmp_path):
    optimizer = start("optimize -p toy.toml --run run --workers 0 --endpoint-file endpoint --steps 512")
    optimizer.wait("ready")
    endpoint = (tmp_path / "endpoint").read_text().strip()
    assert endpoint == optimizer.of("listening")[0]["endpoint"]
    worker = start(f"rollout-worker --connect {endpoint} --name mine --profile toy.toml")
    assert worker.wait("ready")[0]["profile"] == optimizer.events[0]["profile"]
    assert [event["name"] for event in optimizer.wait("worker_joined")] == ["mine"]
    assert optimizer.end() == 0, optimizer.messages
    assert worker.end() == 0, worker.messages
    assert worker.events[-1]["status"] == "done"


def test_a_worker_with_another_profile_is_refused_with_the_reason_on_both_sides(start):
    optimizer = start("optimize -p toy.toml --run run --workers 0")
    endpoint = optimizer.wait("listening")[0]["endpoint"]
    worker = start(f"rollout-worker --connect {endpoint} --profile toy.toml --set task.success_rad=0.3")
    assert worker.end() == 76
    assert "profile" in "".join(worker.messages)
    (warning,) = optimizer.wait("warning")
    assert "profile" in warning["message"]
    assert any("refused" in message for message in optimizer.messages)


def test_a_run_folder_that_cannot_be_written_to_is_refused_before_any_work(shell, start, tmp_path):
    (tmp_path / "file").touch()
    for run in ("/proc/run", "file/run", "/sys/run"):
        result = shell(f"dexctl optimize -p toy.toml --run {run} --workers 1")
        assert (result.returncode, result.stdout) == (73, "")
        assert result.stderr.startswith(f"error: {run}: ")


def test_a_port_in_use_is_refused(start):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        program = start(f"optimize -p toy.toml --run run --workers 1 --bind {endpoint}")
        assert program.end() == 73
    assert endpoint in "".join(program.messages)
    assert program.events[-1]["code"] == 73
    assert not program.of("worker_joined")


@pytest.mark.parametrize(("name", "near"), [("block-jaw", "block-yaw"), ("blok", "block")])
def test_an_unknown_profile_is_told_with_the_near_miss(shell, name, near):
    result = shell(f"dexctl optimize -p {name} --run run")
    assert (result.returncode, result.stdout) == (78, "")
    assert near in result.stderr


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("ppo.discont=1", "Did you mean 'discount'"),
        ("ppo.clip=2", "ppo.clip"),
        ("rollout.environments=many", "rollout.environments"),
    ],
)
def test_a_wrong_setting_is_told_before_any_work(shell, start, tmp_path, setting, named):
    result = shell(f"dexctl optimize -p toy.toml --run run --set {setting}")
    assert (result.returncode, result.stdout) == (78, "")
    assert named in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_run_folder_belongs_to_one_process_and_one_profile(start, shell):
    first = start("optimize -p toy.toml --run run --workers 0")
    first.wait("ready")
    second = shell("dexctl optimize -p toy.toml --run run --workers 0")
    assert second.returncode == 75
    assert str(first.process.pid) in second.stderr
    first.process.send_signal(signal.SIGTERM)
    assert first.end() == 143
    other = shell("dexctl optimize -p toy.toml --run run --workers 0 --set ppo.clip=0.1")
    assert other.returncode == 78
    assert "ppo.clip" in other.stderr


def test_a_damaged_checkpoint_is_passed_over_with_a_warning(start, tmp_path):
    first = start("optimize -p toy.toml --run run --workers 1 --steps 1024")
    assert first.end() == 0
    names = checkpoints(tmp_path / "run")
    assert len(names) >= 2
    newest = tmp_path / "run" / "checkpoints" / names[-1]
    content = bytearray(newest.read_bytes())
    content[-100] ^= 1
    newest.write_bytes(content)
    again = start("optimize -p toy.toml --run run --workers 1 --steps 1280")
    (warning,) = again.wait("warning")
    assert "checksum" in warning["message"]
    assert again.wait("ready")[0]["steps"] < 1024
    assert again.end() == 0
    assert any("checksum" in message for message in again.messages)


def test_a_worker_without_an_optimizer_gives_up_in_its_time(start):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    worker = start(f"rollout-worker --connect tcp://127.0.0.1:{port} --timeout 1")
    assert worker.end() == 69
    assert "no place at an optimizer in 1 s" in "".join(worker.messages)


@pytest.mark.slow
def test_a_minute_without_workers_is_warned_of(start):
    program = start("optimize -p toy.toml --run run --workers 0")
    (warning,) = program.wait("warning")
    assert "no workers at tcp://127.0.0.1:" in warning["message"]
    assert program.process.poll() is None

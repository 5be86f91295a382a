"""Training as people and scripts run it: an optimizer and its workers as processes, killed, stopped and resumed.

Every process takes seconds to import torch, so a few runs are shared by the tests that look at them.
"""

import json
import os
import select
import shutil
import signal
import socket
import time
from types import SimpleNamespace

import pytest
from safetensors.torch import load_file

from .conftest import TOY

PATIENCE_S = 300.0
EVERY_UPDATE = "--set run.checkpoint_s=0.001"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the shared runs work."""
    made = tmp_path_factory.mktemp("training")
    shutil.copy(TOY, made)
    return made


@pytest.fixture(scope="module")
def synchronous(programs, folder):
    """The same synchronous run twice at once: ``whole`` to its end, ``stopped`` by SIGTERM after two updates."""
    line = f"optimize -p toy.toml --sync {EVERY_UPDATE}"
    whole = programs(folder, f"{line} --run whole --steps 512")
    stopped = programs(folder, f"{line} --run stopped")
    stopped.wait("iteration", 2)
    stopped.ask(signal.SIGTERM)
    codes = whole.end(), stopped.end()
    return SimpleNamespace(whole=whole, stopped=stopped, codes=codes)


@pytest.fixture(scope="module")
def resumed(programs, folder, synchronous):
    """The run that was stopped, resumed and interrupted after one update, with no checkpoint due by time."""
    program = programs(folder, "optimize -p toy.toml --run stopped --workers 1")
    program.wait("iteration")
    program.ask(signal.SIGINT)
    return SimpleNamespace(program=program, code=program.end())


def checkpoints(run):
    return sorted(path.name for path in (run / "checkpoints").glob("*.safetensors"))


def steps_of(program):
    return [event["steps"] for event in program.of("iteration")]


def written(run):
    return [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]


def gone(pid):
    """Whether a process has ended, reaped or not."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "Z"
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


def workers_of(program):
    return [event["pid"] for event in program.of("worker_joined")]


def test_training_tells_what_it_does_from_start_to_end(synchronous):
    run = synchronous.whole
    assert synchronous.codes[0] == 0, run.messages
    kinds = [event["event"] for event in run.events]
    assert kinds[:3] == ["start", "listening", "ready"]
    assert kinds[-1] == "end"
    assert run.events[-1]["status"] == "done"
    assert len(run.of("worker_joined")) == 2
    assert steps_of(run) == [256, 512]
    # On a busy machine workers may take a minute to come, which is told.
    assert not [line for line in run.messages if not line.startswith(("info: ", "warning: no workers at "))]
    wait_until_gone(workers_of(run))


def test_a_run_folder_has_everything_of_its_run(synchronous, folder):
    run = folder / "whole"
    assert written(run) == synchronous.whole.events
    # One checkpoint an update, and none twice.
    saved = synchronous.whole.of("checkpoint")
    assert [event["steps"] for event in saved] == steps_of(synchronous.whole)
    assert [f"whole/checkpoints/{name}" for name in checkpoints(run)] == [event["path"] for event in saved]
    assert (run / "learning.png").stat().st_size > 1000
    assert (run / "profile.toml").exists()
    assert sorted(path.name for path in (run / "workers").iterdir()) == ["worker-0.log", "worker-1.log"]


def test_synchronous_training_repeats_bit_by_bit(synchronous, folder):
    assert {event["staleness"] for event in synchronous.whole.of("iteration")} == {0.0}
    for event in synchronous.stopped.of("iteration")[:2]:
        name = f"checkpoints/{event['version']:08d}.safetensors"
        first, second = load_file(folder / "whole" / name), load_file(folder / "stopped" / name)
        assert first.keys() == second.keys()
        assert all(bool((first[key] == second[key]).all()) for key in first)


def test_a_stopped_run_goes_on_where_it_was(synchronous, resumed, folder):
    before, after = synchronous.stopped, resumed.program
    assert synchronous.codes[1] == 143
    assert before.events[-1]["status"] == "stopped"
    wait_until_gone(workers_of(before))
    (ready,) = after.of("ready")
    assert (ready["resumed"], ready["steps"]) == (True, before.of("checkpoint")[-1]["steps"])
    last, first = before.of("iteration")[-1], after.of("iteration")[0]
    assert first["version"] == last["version"] + 1
    assert first["steps"] > last["steps"]
    assert first["elapsed_s"] > last["elapsed_s"]
    assert [event["seq"] for event in written(folder / "stopped")] == list(range(len(before.events + after.events)))


def test_an_interrupt_leaves_a_checkpoint(resumed):
    assert resumed.code == 130
    (saved,) = resumed.program.of("checkpoint")
    assert saved["steps"] == steps_of(resumed.program)[-1]
    wait_until_gone(workers_of(resumed.program))


def test_what_was_trained_can_be_told_and_scored(synchronous, programs, folder):
    told = programs(folder, "inspect whole --json")
    scored = programs(folder, "evaluate --policy whole --trials 2 --set evaluate.goal_timeout_s=0.8 --json")
    assert (told.end(), scored.end()) == (0, 0), told.messages + scored.messages
    (document,) = scored.events
    assert len(document["policies"][0]["trials"]) == 2


def test_training_survives_kill_9_of_a_worker_then_of_the_optimizer_then_a_damaged_checkpoint(programs, folder):
    # Long enough for a worker that other tests leave little time to.
    orphans = "wire.heartbeat_s=0.5; wire.timeout_s=5.0; wire.orphan_timeout_s=8.0"
    # Beside the folder that is asked for, and never over it.
    (folder / "killed").mkdir()
    start, line = "optimize -p toy.toml --run killed --fresh", "optimize -p toy.toml --run killed-2"
    first = programs(folder, f"{start} --workers 1 {EVERY_UPDATE}", DEXCTL_SET=orphans)
    joined = first.wait("worker_joined")
    first.wait("iteration")
    os.kill(joined[0]["pid"], signal.SIGKILL)
    (lost,) = first.wait("worker_lost")
    assert lost["name"] == joined[0]["name"]
    first.wait("warning", that=lambda event: "status -9; starting it again" in event["message"])
    back = first.wait("worker_joined", 2)[1]
    assert (back["name"], back["worker"]) == (joined[0]["name"], joined[0]["worker"])
    before = len(first.of("iteration"))
    assert first.wait("iteration", before + 2)[-1]["workers"] == 1

    first.process.kill()
    first.end()
    wait_until_gone(workers_of(first))
    assert list((folder / "killed").iterdir()) == []
    run = folder / "killed-2"
    whole, newest = checkpoints(run)[-2:]
    content = bytearray((run / "checkpoints" / newest).read_bytes())
    content[-100] ^= 1
    (run / "checkpoints" / newest).write_bytes(content)

    # With nothing left to do it resumes, tells what it found, and ends at once.
    again = programs(folder, f"{line} --workers 0 --steps 1")
    assert again.end() == 0, again.messages
    (warning,) = again.of("warning")
    assert "checksum" in warning["message"]
    assert any("checksum" in message for message in again.messages)
    (steps,) = {event["steps"] for event in first.of("checkpoint") if event["path"].endswith(whole)}
    assert again.of("ready")[0]["steps"] == steps
    assert (run / "checkpoints" / newest).with_suffix(".damaged").is_file()
    assert [event["seq"] for event in written(run)] == list(range(len(written(run))))


def test_workers_by_hand_are_let_in_or_refused_with_the_reason_on_both_sides(programs, shell, folder):
    with socket.create_server(("127.0.0.1", 0)) as free:
        endpoint = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    # On a busy machine an optimizer takes longer to come back than a worker waits by default.
    patient = "--set wire.orphan_timeout_s=600.0"
    # Started before their optimizer, the workers wait for it.
    mine = programs(folder, f"rollout-worker --name mine --profile toy.toml {patient}", DEXCTL_CONNECT=endpoint)
    other = programs(folder, f"rollout-worker --connect {endpoint} --profile toy.toml --set task.success_rad=0.3")
    line = f"optimize -p toy.toml --run hand --workers 0 --bind {endpoint} {EVERY_UPDATE} {patient}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(folder / "notify"))
        manager.settimeout(PATIENCE_S)
        optimizer = programs(folder, f"{line} --endpoint-file endpoint", NOTIFY_SOCKET=str(folder / "notify"))
        assert optimizer.wait("listening")[0]["endpoint"] == endpoint
        assert manager.recv(100) == b"READY=1"
    assert mine.wait("ready")[0]["profile"] == optimizer.events[0]["profile"]
    assert (folder / "endpoint").read_text().strip() == endpoint
    assert [event["name"] for event in optimizer.wait("worker_joined")] == ["mine"]
    assert other.end() == 76
    assert "profile" in "".join(other.messages)
    (warning,) = optimizer.wait("warning")
    assert "profile" in warning["message"]
    assert any("refused" in message for message in optimizer.messages)
    # The folder belongs to one process, and its port to one optimizer.
    second = shell(f"cd {folder}; dexctl {line}")
    assert second.returncode == 75
    assert str(optimizer.process.pid) in second.stderr
    taken = programs(folder, line.replace("hand", "another"))
    optimizer.wait("iteration")
    optimizer.ask(signal.SIGUSR1)
    assert optimizer.wait("status")[0]["workers"][0]["name"] == "mine"
    assert taken.end() == 73
    assert endpoint in "".join(taken.messages)
    assert taken.events[-1]["code"] == 73
    # Killed and started again under its worker, that goes on with the run from the checkpoint.
    saved = optimizer.wait("checkpoint")[0]
    optimizer.process.kill()
    optimizer.end()
    again = programs(folder, line)
    (back,) = again.wait("worker_joined")
    assert (back["name"], back["pid"]) == ("mine", mine.process.pid)
    assert again.wait("iteration")[0]["steps"] > saved["steps"]
    mine.ask(signal.SIGUSR1)
    (status,) = mine.wait("status")
    assert (status["worker"], status["connected"]) == (0, True)
    again.ask(signal.SIGHUP)
    assert again.end() == 129
    assert mine.end() == 0, mine.messages
    assert mine.events[-1]["status"] == "done"
    # And to one profile.
    other_profile = shell(f"cd {folder}; dexctl {line} --set ppo.clip=0.1")
    assert other_profile.returncode == 78
    assert "ppo.clip" in other_profile.stderr


def test_a_run_folder_that_cannot_be_written_to_is_refused_before_any_work(shell, toy, tmp_path):
    (tmp_path / "file").touch()
    for run in ("/proc/run", "file/run", "/sys/run"):
        result = shell(f"dexctl {toy} --run {run} --workers 1")
        assert (result.returncode, result.stdout) == (73, "")
        assert result.stderr.startswith(f"error: {run}: ")


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
@pytest.mark.usefixtures("toy")
def test_a_wrong_setting_is_told_before_any_work(shell, tmp_path, setting, named):
    result = shell(f"dexctl optimize -p toy.toml --run run --set {setting}")
    assert (result.returncode, result.stdout) == (78, "")
    assert named in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_worker_without_an_optimizer_gives_up_in_its_time(start):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    worker = start(f"rollout-worker --connect tcp://127.0.0.1:{port} --timeout 1")
    assert worker.end() == 69
    assert "no place at an optimizer in 1 s" in "".join(worker.messages)


@pytest.mark.slow
@pytest.mark.usefixtures("toy")
def test_a_minute_without_workers_is_warned_of(start):
    program = start("optimize -p toy.toml --run run --workers 0")
    (warning,) = program.wait("warning")
    assert "no workers at tcp://127.0.0.1:" in warning["message"]
    assert program.process.poll() is None

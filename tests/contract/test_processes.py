"""Several optimizer processes as people start them: by --processes and by torchrun."""

import json
import os
import re
import signal
import sysconfig
from pathlib import Path

import pytest
from safetensors.torch import load_file

TORCHRUN = Path(sysconfig.get_path("scripts")) / "torchrun"


def newest(run):
    return load_file(max((run / "checkpoints").glob("*.safetensors")))


@pytest.mark.slow
def test_processes_serve_their_workers_tell_of_them_and_fall_together(start, shell, toy, tmp_path):
    program = start(f"{toy} --processes 2 --run run --sync --set run.checkpoint_s=0.001 --endpoint-file endpoints")
    program.wait("iteration", 2)
    endpoints = [event["endpoint"] for event in program.of("listening")]
    assert (tmp_path / "endpoints").read_text().split() == endpoints
    assert len(set(endpoints)) == 2
    # Dealt out evenly, with numbers of their own; the second process tells of its worker over the first.
    joined = {event.get("process", 0): event for event in program.wait("worker_joined", 2)}
    assert {rank: event["worker"] for rank, event in joined.items()} == {0: 0, 1: 1}
    assert [event["workers"] for event in program.of("iteration")] == [2] * len(program.of("iteration"))
    # Who works can be asked for, from outside.
    asked = shell(f"dexctl status {' '.join(endpoints)} --json")
    assert asked.returncode == 0, asked.stderr
    optimizers = json.loads(asked.stdout)["optimizers"]
    assert [one["endpoint"] for one in optimizers] == endpoints
    assert [[worker["pid"] for worker in one["workers"]] for one in optimizers] == [
        [joined[0]["pid"]],
        [joined[1]["pid"]],
    ]
    # Where one does not answer, the others are told all the same.
    told = shell(f"dexctl status {endpoints[0]} tcp://127.0.0.1:1 --timeout 4")
    assert (told.returncode, told.stderr.splitlines()[0]) == (69, "error: no answer from tcp://127.0.0.1:1")
    assert told.stdout.splitlines()[0] == "1 workers"
    assert "local-" in told.stdout
    # One killed ends all, with a checkpoint to go on from, by however many processes.
    (other,) = [pid for pid in children(program.process.pid) if b"optimize" in command_of(pid)]
    os.kill(other, signal.SIGKILL)
    assert program.end() == 75, program.messages
    assert "optimizer process" in "".join(program.messages)
    assert program.events[-1]["code"] == 75
    steps = program.of("checkpoint")[-1]["steps"]
    again = start(f"{toy} --run run --workers 0 --steps 1")
    assert again.wait("ready")[0]["steps"] == steps
    assert again.end() == 0, again.messages


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_of(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.slow
def test_torchrun_starts_what_processes_starts_and_the_same_comes_of_it(start, shell, toy, tmp_path):
    ours = start(f"{toy} --processes 2 --run ours --sync --steps 512")
    torchrun = f"{TORCHRUN} --standalone --nproc-per-node 2 --no-python --"
    theirs = shell(f"{torchrun} dexctl {toy} --run theirs --sync --steps 512 --quiet")
    assert theirs.returncode == 0, theirs.stderr
    assert ours.end() == 0, ours.messages
    first, second = (newest(tmp_path / name) for name in ("ours", "theirs"))
    assert first.keys() == second.keys()
    assert all(bool((first[name] == second[name]).all()) for name in first)


def test_another_number_than_torchrun_s_is_a_wrong_command_line(shell, toy):
    told = shell(f"dexctl {toy} --processes 3 --dry-run", RANK="0", WORLD_SIZE="2")
    assert told.returncode == 64
    assert re.match(r"error: --processes 3 where 2 were started together\n", told.stderr)

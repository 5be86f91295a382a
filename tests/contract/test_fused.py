"""Training in one process: what it learns is what a worker of its own would have given it."""

import signal

import pytest
from safetensors.torch import load_file

# Sums differ by the number of threads, and a worker has other cores than an optimizer.
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


def newest(run):
    return load_file(max((run / "checkpoints").glob("*.safetensors")))


def test_it_learns_what_it_would_from_one_synchronous_worker_also_when_stopped_and_resumed(start, toy, tmp_path):
    apart = start(f"{toy} --sync --workers 1 --run apart --steps 512", **ONE_THREAD)
    fused = start(f"{toy} --fused --run fused --steps 512", **ONE_THREAD)
    stopped = start(f"{toy} --fused --run stopped", **ONE_THREAD)
    (ready,) = stopped.wait("ready")
    assert ready["endpoint"] == ""
    stopped.wait("iteration")
    stopped.ask(signal.SIGINT)
    assert stopped.end() == 130
    assert [program.end() for program in (apart, fused)] == [0, 0], fused.messages
    assert not fused.of("listening")
    assert [joined["name"] for joined in fused.of("worker_joined")] == ["own"]
    assert [event["workers"] for event in fused.of("iteration")] == [1] * len(fused.of("iteration"))
    mine, others = newest(tmp_path / "fused"), newest(tmp_path / "apart")
    assert mine.keys() == others.keys()
    assert [name for name in mine if not mine[name].equal(others[name])] == []
    steps = stopped.of("iteration")[-1]["steps"]
    resumed = start(f"{toy} --fused --run stopped --steps {steps + 256}", **ONE_THREAD)
    (ready,) = resumed.wait("ready")
    assert (ready["resumed"], ready["steps"]) == (True, steps)
    assert resumed.end() == 0


def test_minutes_count_from_the_first_experience_and_learn_once_at_least(start, toy, tmp_path):
    program = start(f"{toy} --fused --run run --minutes 0.0001")
    assert program.end() == 0, program.messages
    assert len(program.of("iteration")) == 1
    assert [path.name for path in (tmp_path / "run/checkpoints").iterdir()] == ["00000001.safetensors"]


@pytest.mark.parametrize(
    "option", ["--workers 2", "--sync", "--processes 2", "--bind tcp://127.0.0.1:5555", "--endpoint-file at"]
)
def test_what_is_for_workers_is_refused(shell, toy, option):
    told = shell(f"dexctl {toy} --fused {option}")
    assert told.returncode == 64
    assert f"--fused works alone, and {option.split()[0]} is for" in told.stderr
    assert told.stdout == ""


def test_a_dry_run_makes_nothing(shell, toy, tmp_path):
    told = shell(f"dexctl {toy} --fused --run run --dry-run")
    assert told.returncode == 0, told.stderr
    assert not (tmp_path / "run").exists()

"""Training in one process: what it learns is what a worker of its own would have given it."""

import json

import pytest
from safetensors.torch import load_file

from dexctl.__main__ import main

# Sums differ by the number of threads, and a worker has other cores than an optimizer.
ONE_THREAD = {"OMP_NUM_THREADS": "1"}


def newest(run):
    return load_file(max((run / "checkpoints").glob("*.safetensors")))


def test_it_learns_what_it_would_from_one_synchronous_worker_and_for_minutes_once_at_least(start, toy, tmp_path):
    apart = start(f"{toy} --sync --workers 1 --run apart --steps 1", **ONE_THREAD)
    fused = start(f"{toy} --fused --run fused --minutes 0.0001", **ONE_THREAD)
    assert [program.end() for program in (apart, fused)] == [0, 0], fused.messages
    assert fused.of("ready")[0]["endpoint"] == ""
    assert not fused.of("listening")
    assert [joined["name"] for joined in fused.of("worker_joined")] == ["own"]
    assert [len(program.of("iteration")) for program in (apart, fused)] == [1, 1]
    mine, others = newest(tmp_path / "fused"), newest(tmp_path / "apart")
    assert mine.keys() == others.keys()
    assert [name for name in mine if not mine[name].equal(others[name])] == []


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


@pytest.mark.slow
def test_a_training_whose_numbers_are_finite_no_more_ends_before_it_writes_a_checkpoint(
    toy, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    wild = ("ppo.learning_rate_max=1e20", "ppo.learning_rate=1e20", "ppo.gradient_norm=1e30")
    settings = [word for one in wild for word in ("--set", one)]
    assert main([*toy.split(), "--fused", "--run", "run", "--steps", "256", *settings]) == 65
    told = capsys.readouterr()
    *_, iteration, end = [json.loads(line, parse_constant=pytest.fail) for line in told.out.splitlines()]
    assert iteration["event"] == "iteration"
    assert iteration["policy_loss"] is None
    assert "policy_loss" in iteration["nonfinite"]
    assert (end["event"], end["code"]) == ("end", 65)
    assert told.err.splitlines()[-2].endswith("numbers that are not finite: the training went astray")
    assert list((tmp_path / "run/checkpoints").iterdir()) == []

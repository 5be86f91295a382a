"""Several optimizer processes: together they learn what one learns alone from everybody's experience."""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

PROGRAM = Path(__file__).parent / "programs" / "optimizer_process.py"
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def learn(tmp_path, toy, made_up):
    """Learns from segments dealt out to processes; gives each one's state and what its updates told."""

    def learn(settings, dealt, **options):
        """``dealt``: by process and update, the (seed, worker) of its segments."""
        name = f"{len(list(tmp_path.iterdir()))}"
        profile = toy("lstm", *settings)
        (tmp_path / "profile.json").write_bytes(msgspec.json.encode(profile))
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "GLOO_SOCKET_IFNAME": "lo"}
        processes, outs = [], []
        for rank, updates in enumerate(dealt):
            segments = []
            for update in updates:
                segments.append([])
                for seed, worker in update:
                    path = tmp_path / f"segment-{seed}.npz"
                    np.savez(path, **made_up(profile, seed, first_fresh=seed < 10))
                    segments[-1].append((str(path), worker))
            outs.append(tmp_path / f"{name}-{rank}.safetensors")
            told = {
                "rank": rank,
                "count": len(dealt),
                "store": str(tmp_path / f"store-{name}"),
                "profile": str(tmp_path / "profile.json"),
                "segments": segments,
                "out": str(outs[-1]),
            }
            command = [sys.executable, str(PROGRAM), json.dumps({**told, **options})]
            processes.append(subprocess.Popen(command, env=environment))
        assert [process.wait(100) for process in processes] == [0] * len(dealt)
        return [load_file(out) for out in outs], [json.loads(out.with_suffix(".json").read_text()) for out in outs]

    return learn


@pytest.mark.parametrize(
    "shares", [(1, 3), pytest.param((2, 2), marks=pytest.mark.slow), pytest.param((0, 1, 3), marks=pytest.mark.slow)]
)
def test_processes_learn_together_what_one_learns_alone(learn, make_learner, made_up, toy, shares):
    # Two updates of four segments, two a worker; minibatches that no process has whole.
    settings = ["ppo.batch_steps=1024", "ppo.minibatches=4", "ppo.kl_low=0.05", "ppo.kl_high=0.1"]
    whole = [[(10 * update + index, index // 2) for index in range(4)] for update in range(2)]
    dealt, start = [], 0
    for share in shares:
        dealt.append([update[start : start + share] for update in whole])
        start += share
    states, told = learn(settings, dealt)
    profile = toy("lstm", *settings)
    alone, told_alone = make_learner(profile, 3), []
    for update in whole:
        for seed, worker in update:
            # A worker that is shared between processes is another one for each.
            alone.add(
                made_up(profile, seed, first_fresh=seed < 10),
                worker if shares == (2, 2) else 10 * worker + min(seed % 10, 1),
            )
        told_alone.append({name: value for name, value in vars(alone.update()).items() if name != "seconds"})
    for state in states:
        for name, value in alone.state().items():
            torch.testing.assert_close(state[name], value, atol=1e-5, rtol=1e-5, msg=name)
            assert torch.equal(state[name], states[0][name]), name
    for rows in told:
        assert rows == told[0]
    for mine, theirs in zip(told[0], told_alone, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-3, abs=1e-5)


def test_one_process_that_stops_ends_the_update_of_all(learn):
    dealt = [[[(0, 0)]], [[(1, 1)]]]
    settings = ["ppo.batch_steps=512", "ppo.epochs=40.0"]
    states, told = learn(settings, dealt, stop_at=2)
    assert int(states[0]["adam.0.step"]) == int(states[1]["adam.0.step"]) == 3
    assert told[0] == told[1]
    assert told[0][0]["steps"] == 512

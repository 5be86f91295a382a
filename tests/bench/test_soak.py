"""The soak: what it reads of a training, what it calls flat, and minutes of it in place of hours."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

soak = importlib.import_module("soak")
TOOL = Path(soak.__file__)
TOY = Path(__file__).parents[1] / "contract" / "toy.toml"


def looks(memory=lambda at: 100.0, rate=lambda at: 50.0, count=80, names=("optimizer", "local-0 (7)")):
    """A look a second, of processes of so many MiB, at so many steps a second."""
    steps, found = 0.0, []
    for at in range(count):
        steps += rate(at)
        found.append(soak.Sample(float(at), int(steps), {name: memory(at) for name in names}))
    return found


def test_what_stays_as_it_was_is_no_fault():
    # The first quarter may be as it likes.
    found = soak.compared(looks(lambda at: 60.0 if at < 20 else 100 + 0.05 * at, lambda at: 90 if at < 20 else 50))
    assert soak.faults(found) == []
    assert found["memory"]["optimizer"]["before"] == pytest.approx(101.5, abs=0.1)
    assert found["rate"]["after"] == pytest.approx(50)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"memory": lambda at: 100.0 + 0.2 * at}, "optimizer: memory grew by 7.6%"),
        ({"rate": lambda at: 50.0 if at < 40 else 44.0}, "the rate changed by -12.0%"),
        ({"rate": lambda at: 50.0 if at < 40 else 56.0}, "the rate changed by +12.0%"),
    ],
)
def test_what_grows_or_slows_is_told(changed, told):
    assert told in soak.faults(soak.compared(looks(**changed)))


def test_a_process_that_goes_away_is_told():
    whole = looks()
    broken = [one._replace(memory_mib={"optimizer": 100.0}) if one.elapsed_s > 70 else one for one in whole]
    assert soak.faults(soak.compared(broken)) == ["local-0 (7) is gone"]


def test_too_few_looks_say_nothing():
    with pytest.raises(ValueError, match="too few"):
        soak.compared(looks(count=12))


def test_a_look_is_at_the_processes_that_a_training_tells_of():
    events = [
        {"event": "start", "pid": os.getpid()},
        {"event": "worker_joined", "name": "local-0", "pid": os.getppid()},
        {"event": "worker_joined", "name": "gone", "pid": 2**22 + 1},
        {"event": "iteration", "elapsed_s": 1.5, "steps": 256},
    ]
    (look,) = soak.samples(map(json.dumps, events))
    assert (look.elapsed_s, look.steps) == (1.5, 256)
    assert list(look.memory_mib) == ["optimizer", f"local-0 ({os.getppid()})"]
    assert look.memory_mib["optimizer"] > 10


@pytest.mark.slow
def test_memory_stays_flat_over_minutes(tmp_path):
    line = [sys.executable, TOOL, "--hours", "0.1", "--profile", TOY, "-o", tmp_path / "run", "--json"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    # The rate is the machine's, too, and no test asks for that.
    assert done.returncode in (0, 1), done.stderr
    document = json.loads(done.stdout)
    assert len(document["memory"]) == 3, document["gone"]
    assert max(one["change"] for one in document["memory"].values()) < soak.MEMORY

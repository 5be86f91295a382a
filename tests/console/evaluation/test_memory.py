"""The memory probe from the question to the answer."""

import json

import pytest

from dexctl.console.evaluation.memory import run
from dexctl.console.evaluation.question import Question
from dexctl.console.output import Output
from dexctl.errors import UsageError
from dexctl.policy import checkpoint
from dexctl.policy.actor import Actor
from dexctl.profile.load import digest, load

SMALL = ("policy.actor.hidden=[12]", "policy.actor.lstm=6", "task.start_random_steps=2")
# Nothing counts as a drop, so that every trial lasts.
ENDLESS = ("task.start_random_steps=2", "task.drop_height_m=-1000", "evaluate.batch=20")


@pytest.fixture
def policy(tmp_path):
    profile = load("ablation/all", SMALL, {}).profile
    tensors = {f"actor.{name}": value for name, value in Actor(profile, 20, seed=3).state_dict().items()}
    progress = checkpoint.Progress(version=1, steps=2, seconds=3.0, learning_rate=1e-4)
    path = tmp_path / "p.safetensors"
    checkpoint.write(path, profile=profile, digest=digest(profile), progress=progress, tensors=tensors, program="1")
    return str(path)


def test_a_probe_of_a_policy_with_memory_is_told_beside_the_paper_s(policy, capsys):
    run(Question(policy=(policy,), memory=True, trials=60, set=ENDLESS), Output(json=True), dry_run=False)
    document = json.loads(capsys.readouterr().out)
    (one,) = document["policies"]
    assert (one["samples"], one["dropped"]) == (60, 0)
    assert set(one["probes"]) == {"memory", "observations"}
    for probes in one["probes"].values():
        assert set(probes) == {"size", "mass", "friction"}
        for told in probes.values():
            assert told["interval"][0] < told["accuracy"] < told["interval"][1]
    assert document["paper"]["size"] == 0.8


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"policy": ("random",), "profile": ("ablation/all",)}, "nothing to probe"),
        ({"profile": ("block",)}, "randomizes no physics"),
        ({"trials": 10}, "too few"),
    ],
)
def test_what_cannot_be_probed_is_told_before_any_trial(policy, changed, told):
    with pytest.raises(UsageError, match=told):
        run(Question(**{"policy": (policy,), "memory": True} | changed), Output(), dry_run=True)

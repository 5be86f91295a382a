"""Learning curves from the events of a run, also of one that was killed and resumed."""

import json

from dexctl.evaluate.curve import read_iterations


def events_of(tmp_path, *events):
    path = tmp_path / "events.jsonl"
    path.write_text("".join(f"{json.dumps(event)}\n" for event in events))
    return path


def iteration(**figures):
    return {"event": "iteration", **figures}


def test_what_a_killed_run_did_beyond_its_last_checkpoint_is_left_out(tmp_path):
    before = [iteration(steps=steps, goals=0.0) for steps in (10, 20, 30, 40)]
    after = [iteration(steps=steps, goals=1.0) for steps in (30, 40, 50)]
    path = events_of(tmp_path, *before, {"event": "start"}, *after)
    found = read_iterations(path)
    assert [(one["steps"], one["goals"]) for one in found] == [(10, 0.0), (20, 0.0), (30, 1.0), (40, 1.0), (50, 1.0)]


def test_a_run_that_was_resumed_twice_goes_on_from_the_earlier_checkpoint(tmp_path):
    path = events_of(tmp_path, *(iteration(steps=steps) for steps in (10, 20, 30, 20, 30, 10, 20)))
    assert [one["steps"] for one in read_iterations(path)] == [10, 20]


def test_a_pose_estimators_progress_is_its_states(tmp_path):
    path = events_of(tmp_path, *(iteration(states=states) for states in (64, 128, 128, 192)))
    assert [one["states"] for one in read_iterations(path)] == [64, 128, 192]


def test_other_events_and_a_torn_line_are_passed_over(tmp_path):
    path = events_of(tmp_path, {"event": "start"}, iteration(steps=1), {"event": "end"})
    path.write_text(path.read_text() + '{"event":"iter')
    assert read_iterations(path) == [iteration(steps=1)]

import json
import sys

import harness
import pytest


def test_cases_alternate_and_warm_ups_do_not_count():
    called = []

    def first():
        called.append("first")
        return {"first_s": float(len(called))}

    def second():
        called.append("second")
        return {"second_s": float(len(called))}

    runs = harness.measure([first, second], num_runs=2, num_warm_ups=1)
    assert called == ["first", "second", "second", "first", "first", "second"]
    assert runs == [{"first_s": 4.0, "second_s": 3.0}, {"first_s": 5.0, "second_s": 6.0}]


def test_a_ratio_is_taken_within_each_run():
    runs = [{"a": 1.0, "b": 2.0}, {"a": 100.0, "b": 100.0}, {"a": 4.0, "b": 2.0}]
    assert harness.median_ratio(runs, "a", "b") == 1.0


def test_json_is_one_document_with_what_a_comparison_needs(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench", "--json", "--runs", "7"])
    harness.bench("bench", [lambda: {"a": 3.0}, lambda: {"b": 2.0}], {"a_over_b": ("a", "b")})
    document = json.loads(capsys.readouterr().out)
    assert document.keys() == {"name", "ratios", "parts", "absent", "runs", "machine", "versions", "date"}
    assert document["ratios"] == {"a_over_b": 1.5}
    assert document["parts"] == {"a_over_b": ["a", "b"]}
    assert len(document["runs"]) == 7
    assert document["machine"]["cores"] >= 1


def test_a_gpu_is_named_by_its_driver(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho NVIDIA Toy; echo NVIDIA Toy\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert harness.describe_machine()["gpu"] == "NVIDIA Toy, NVIDIA Toy"
    program.write_text("#!/bin/sh\necho No devices were found >&2; exit 6\n")
    assert "gpu" not in harness.describe_machine()


def test_without_json_it_is_tables(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench"])
    harness.bench("bench", [lambda: {"a": 3.0}, lambda: {"b": 2.0}], {"a_over_b": ("a", "b")})
    printed = capsys.readouterr().out
    assert "a_over_b     1.5" in printed
    assert "5 runs" in printed


def test_fewer_than_five_runs_are_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench", "--runs", "4"])
    with pytest.raises(SystemExit):
        harness.bench("bench", [lambda: {"a": 3.0}], {})
    assert "--runs" in capsys.readouterr().err


def test_a_toy_is_one_run_and_nothing_before_it(monkeypatch, capsys):
    called = []
    monkeypatch.setattr(sys, "argv", ["bench", "--json", "--toy"])
    harness.bench("bench", [lambda: called.append(1) or {"a": 3.0}], {})
    assert called == [1]
    assert json.loads(capsys.readouterr().out)["runs"] == [{"a": 3.0}]


def test_what_was_not_measured_stands_in_the_table_with_the_reason(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench", "--toy"])
    harness.bench("bench", [lambda: {"a": 3.0}], {}, absent={"theirs": "no wheel for this Python"})
    assert "theirs        no wheel for this Python" in capsys.readouterr().out

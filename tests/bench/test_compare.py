import copy
import json
import sys

import compare
import pytest

MACHINE = {"processor": "Toy 1", "cores": 2, "load": 0.1}
TOY = {
    "name": "toy",
    "machine": MACHINE,
    "ratios": {"ours_over_theirs": 2.0, "wait_over_work": 0.5},
    "parts": {"ours_over_theirs": ["ours_steps_per_s", "theirs_steps_per_s"], "wait_over_work": ["wait_s", "work_s"]},
    "runs": [
        {"ours_steps_per_s": 100.0, "theirs_steps_per_s": 50.0, "wait_s": 1.0, "work_s": 2.0, "share_waiting": 0.3}
    ],
}


def changed(**changes):
    toy = copy.deepcopy(TOY)
    toy["runs"][0].update(changes)
    run = toy["runs"][0]
    toy["ratios"] = {name: run[above] / run[below] for name, (above, below) in toy["parts"].items()}
    return toy


@pytest.fixture
def told(tmp_path, monkeypatch, capsys):
    def run(before, after, *options):
        paths = [str(tmp_path / name) for name in ("before.json", "after.json")]
        for path, document in zip(paths, (before, after), strict=True):
            with open(path, "w") as file:
                json.dump(document, file)
        monkeypatch.setattr(sys, "argv", ["compare", "--json", *options, *paths])
        try:
            compare.main()
            code = 0
        except SystemExit as ended:
            code = ended.code
        printed = capsys.readouterr()
        return code, json.loads(printed.out) if printed.out else printed.err

    return run


def names(rows):
    return {row["measure"] for row in rows}


def test_nothing_changed_is_nothing_slower(told):
    code, document = told(TOY, TOY)
    assert code == 0
    assert {row["slower"] for row in document["compared"]} == {1.0}
    assert names(document["compared"]) == {*TOY["ratios"], *TOY["runs"][0]} - {"share_waiting"}


def test_a_rate_that_fell_and_its_ratio_are_slower(told):
    code, document = told(TOY, changed(ours_steps_per_s=50.0))
    assert code == 1
    assert names(document["slower"]) == {"ours_steps_per_s", "ours_over_theirs"}
    assert {row["slower"] for row in document["slower"]} == {2.0}


def test_a_time_that_grew_and_its_ratio_are_slower(told):
    code, document = told(TOY, changed(wait_s=3.0))
    assert code == 1
    assert names(document["slower"]) == {"wait_s", "wait_over_work"}


def test_what_got_faster_is_not_slower(told):
    code, document = told(TOY, changed(wait_s=0.5, ours_steps_per_s=200.0))
    assert code == 0
    assert min(row["slower"] for row in document["compared"]) == 0.5


def test_the_threshold_says_what_is_told(told):
    slightly = changed(ours_steps_per_s=90.0)
    assert told(TOY, slightly)[0] == 0
    assert told(TOY, slightly, "--threshold", "1.05")[0] == 1


def test_on_another_machine_ratios_alone_are_judged(told):
    elsewhere = {**changed(ours_steps_per_s=10.0, theirs_steps_per_s=5.0), "machine": {**MACHINE, "cores": 64}}
    code, document = told(TOY, elsewhere)
    assert code == 0
    assert names(document["compared"]) == set(TOY["ratios"])


def test_documents_of_all_are_compared_bench_by_bench(told):
    failed = {"name": "other", "failed": "no GPU"}
    code, document = told({"benches": [TOY, {**TOY, "name": "other"}]}, {"benches": [changed(work_s=8.0), failed]})
    assert code == 1
    assert [(row["bench"], row["measure"]) for row in document["slower"]] == [("toy", "work_s")]
    assert document["failed"] == ["other"]


def test_rows_of_different_things_are_measures_of_their_own(told):
    rows = {
        "name": "scale",
        "machine": MACHINE,
        "runs": [{"profile": "block", "steps_per_s": 10.0}, {"steps_per_s": 20.0}],
    }
    slow = {**rows, "runs": [rows["runs"][0], {"steps_per_s": 2.0}]}
    assert names(told(rows, slow)[1]["slower"]) == {"row_1_steps_per_s"}


@pytest.mark.parametrize("name", ["share_waiting", "memory_mib", "one", "all_ended_share"])
def test_what_is_neither_rate_nor_time_is_not_judged(name):
    assert compare.slower(name, 1.0, 2.0) is None


@pytest.mark.parametrize("document", [[], {"a": 1}, {"benches": 3}])
def test_other_documents_are_refused(told, document):
    code, said = told(TOY, document)
    assert code == 2
    assert "after.json" in said


def test_two_documents_with_nothing_in_common_are_refused(told):
    code, said = told(TOY, {**TOY, "name": "other"})
    assert code == 2
    assert "in common" in said

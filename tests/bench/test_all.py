import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools" / "bench"
every = importlib.import_module("all")


def run(*arguments):
    command = [sys.executable, TOOLS / "all.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_file_that_measures_is_among_the_benches():
    # How well calibration finds a hand is no speed.
    measuring = {
        path.stem for path in TOOLS.glob("*.py") if re.search(r"^ +bench\($|^ +bench\([^)]", path.read_text(), re.M)
    }
    assert set(every.BENCHES) == measuring | {"scale"}


def test_a_toy_of_one_bench_is_a_document_and_a_table(tmp_path):
    done = run("--toy", "--only", "startup", "-o", tmp_path / "new" / "bench")
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "new" / "bench.json").read_text())
    assert document.keys() == {"machine", "versions", "date", "benches"}
    (bench,) = document["benches"]
    assert bench["name"] == "startup"
    assert len(bench["runs"]) == 1
    table = (tmp_path / "new" / "bench.txt").read_text()
    assert done.stdout == table
    for told in ("help_over_python", document["machine"]["processor"], document["versions"]["torch"], document["date"]):
        assert told in table


def test_a_bench_that_fails_is_told_and_the_rest_still_runs(tmp_path, monkeypatch, capsys):
    (tmp_path / "startup.py").write_text("raise SystemExit('no such machine')")
    (tmp_path / "wire.py").write_text(
        "import json; print(json.dumps(dict(name='wire', machine=dict(load=1.0), ratios={}, runs=[dict(a_s=1.0)])))"
    )
    monkeypatch.setattr(every, "FOLDER", tmp_path)
    monkeypatch.setattr(sys, "argv", ["all", "--toy", "--only", "startup", "wire", "-o", str(tmp_path / "bench")])
    with pytest.raises(SystemExit, match="1"):
        every.main()
    failed, other = json.loads((tmp_path / "bench.json").read_text())["benches"]
    assert failed == {"name": "startup", "failed": "no such machine"}
    assert other["name"] == "wire"
    assert "startup: failed" in capsys.readouterr().out


def test_a_bench_that_nobody_knows_is_refused(tmp_path):
    done = run("--only", "speed", "-o", tmp_path / "bench")
    assert done.returncode == 2
    assert "speed" in done.stderr
    assert not list(tmp_path.iterdir())

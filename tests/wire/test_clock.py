"""The clock of one side leaps by an hour, forwards and back: nobody is lost and nothing is counted twice."""

import os
import shutil
from pathlib import Path

import pytest

LIBRARY = next(iter(Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)
LAST = 299


@pytest.mark.skipif(LIBRARY is None, reason="Debian's faketime is not here")
@pytest.mark.parametrize("side", ["optimizer", "worker"])
def test_a_clock_that_leaps_by_an_hour_is_no_silence(spawn, tmp_path, side, monkeypatch):
    clock = tmp_path / "clock"
    clock.write_text("+0")
    fake = {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        # The monotonic clock of a kernel does not leap.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }

    def start(program, **options):
        with monkeypatch.context() as patch:
            for name, value in fake.items() if program == side else ():
                patch.setitem(os.environ, name, value)
            return spawn(program, **options)

    optimizer = start("optimizer", bind="tcp://127.0.0.1:0", dismiss_at=LAST, timeout_s=10.0)
    endpoint = optimizer.wait("listening")["endpoint"]
    worker = start("worker", endpoints=[endpoint], segments=LAST + 1, pause_s=0.005)
    told = {side: optimizer if side == "optimizer" else worker}[side]
    for leap in ("+1h", "-1h", "+0"):
        before = told.wait("taken" if side == "optimizer" else "sent")["clock_s"]
        following = tmp_path / "following"
        following.write_text(leap)
        shutil.move(following, clock)
        for _ in range(20):
            after = told.wait("taken" if side == "optimizer" else "sent")["clock_s"]
        # The leap did happen.
        assert abs(after - before) > 1800
    assert worker.end() == 0
    optimizer.end()
    assert [line["tag"] for line in optimizer.seen if line["event"] == "taken"] == list(range(LAST + 1))
    assert len([line for line in optimizer.seen if line["event"] == "joined"]) == 1
    assert not [line for line in optimizer.seen if line["event"] == "lost" and "goodbye" not in line["text"]]

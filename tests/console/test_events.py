import io
import json
import os
import resource
import threading

import pytest

from dexctl.console.events import Events
from dexctl.console.exit_codes import Stopped
from dexctl.errors import CreateError, DataError, InputOutputError, NotReached

ENVELOPE = {"event", "v", "t", "run", "seq"}


def lines_of(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_run_begins_with_start_and_ends_with_end(tmp_path):
    stream = io.BytesIO()
    with Events("optimize", stream, tmp_path / "events.jsonl", run="a", profile_digest="abc", seed=3) as events:
        events.emit("iteration", reward=1.5)
    lines = lines_of(tmp_path / "events.jsonl")
    assert stream.getvalue() == (tmp_path / "events.jsonl").read_bytes()
    assert [line["event"] for line in lines] == ["start", "iteration", "end"]
    assert all(line.keys() >= ENVELOPE and line["v"] == 1 and line["run"] == "a" for line in lines)
    assert [line["seq"] for line in lines] == [0, 1, 2]
    start, _, end = lines
    assert start.keys() - ENVELOPE == {"command", "version", "argv", "profile", "host", "pid", "seed"}
    assert (start["command"], start["profile"], start["seed"], start["pid"]) == ("optimize", "abc", 3, os.getpid())
    assert end.keys() - ENVELOPE == {"status", "code", "elapsed_s"}
    assert (end["status"], end["code"]) == ("done", 0)


def test_time_is_utc_with_milliseconds():
    stream = io.BytesIO()
    with Events("optimize", stream):
        pass
    for line in stream.getvalue().splitlines():
        clock = json.loads(line)["t"]
        assert len(clock) == len("2026-01-01T00:00:00.123Z")
        assert clock[10] == "T"
        assert clock[19] == "."
        assert clock[-1] == "Z"


@pytest.mark.parametrize(
    ("ending", "status", "code"),
    [
        (NotReached("missed"), "no", 1),
        (DataError("torn"), "failed", 65),
        (Stopped(15), "stopped", 143),
        (KeyboardInterrupt(), "stopped", 130),
        (BrokenPipeError(), "stopped", 141),
        (ValueError("ours"), "failed", 70),
    ],
)
def test_end_tells_how_it_ended(ending, status, code):
    stream = io.BytesIO()
    with pytest.raises(type(ending)), Events("optimize", stream):
        raise ending
    end = json.loads(stream.getvalue().splitlines()[-1])
    assert (end["event"], end["status"], end["code"]) == ("end", status, code)
    assert end["message"]


def test_a_resumed_run_counts_on_and_cuts_an_unfinished_line(tmp_path):
    path = tmp_path / "events.jsonl"
    with Events("optimize", path=path) as events:
        events.emit("iteration", text="ü" * 100_000)
    with path.open("ab") as file:
        file.write(b'{"event":"iteration","seq":99,"unfin')
    with Events("optimize", path=path):
        pass
    assert [line["seq"] for line in lines_of(path)] == [0, 1, 2, 3, 4]


def test_a_file_of_one_unfinished_line_starts_over(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"event":"start"')
    with Events("optimize", path=path):
        pass
    assert [line["seq"] for line in lines_of(path)] == [0, 1]


def test_lines_of_many_threads_stay_whole(tmp_path):
    path = tmp_path / "events.jsonl"
    with Events("optimize", path=path) as events:
        threads = [
            threading.Thread(target=lambda: [events.emit("episode", text="x" * 500) for _ in range(50)])
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [line["seq"] for line in lines_of(path)] == list(range(8 * 50 + 2))


def close_reader_and_emit(events, reader):
    with events:
        os.close(reader)
        events.emit("iteration")


def test_a_closed_pipe_reaches_the_command_and_the_file_still_ends(tmp_path):
    reader, writer = os.pipe()
    stream = os.fdopen(writer, "wb", buffering=0)
    with stream, pytest.raises(BrokenPipeError):
        close_reader_and_emit(Events("optimize", stream, tmp_path / "events.jsonl"), reader)
    lines = lines_of(tmp_path / "events.jsonl")
    assert [line["event"] for line in lines] == ["start", "iteration", "end"]
    assert lines[-1]["code"] == 141


def test_a_full_stream_is_an_input_output_error():
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(InputOutputError, match="No space left"):
        Events("optimize", full).emit("iteration")


def test_a_full_disk_leaves_whole_lines(tmp_path):
    path = tmp_path / "events.jsonl"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Events("optimize", path=path) as events:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
        try:
            with pytest.raises(InputOutputError, match=r"events\.jsonl"):
                events.emit("iteration", text="x" * 4000)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [line["event"] for line in lines_of(path)] == ["start", "end"]


def test_a_file_that_cannot_be_made_is_told_before_work(tmp_path):
    with pytest.raises(CreateError, match="missing"):
        Events("optimize", path=tmp_path / "missing" / "events.jsonl")


def test_text_that_is_not_utf8_is_still_a_line():
    stream = io.BytesIO()
    with Events("optimize", stream, argv=["dexctl", "caf\udce9"]):
        pass
    assert json.loads(stream.getvalue().splitlines()[0])["argv"] == ["dexctl", "caf?"]

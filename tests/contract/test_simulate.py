"""``dexctl simulate`` as it is installed: pictures, a browser's viewer, and what it says when it cannot."""

import contextlib
import json
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest
from PIL import Image
from websockets.sync.client import connect

LISTENING = "0A"


def events(text):
    return [json.loads(line) for line in text.splitlines()]


def test_it_paints_and_films_and_says_so(shell, tmp_path):
    done = shell("dexctl simulate -p block-yaw --policy random --seconds 0.1 --png a.png --video a.mp4")
    assert done.returncode == 0, done.stderr
    found = events(done.stdout)
    assert [event["event"] for event in found] == ["start", "file", "file", "end"]
    assert [event["path"] for event in found[1:3]] == ["a.mp4", "a.png"]
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (1200, 750)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "a.png"]


@pytest.mark.slow
def test_quiet_prints_only_the_path(shell):
    done = shell("dexctl simulate -p block-yaw --seconds 0.1 --png a.png --quiet")
    assert (done.returncode, done.stdout) == (0, "a.png\n")


def test_episodes_are_told_as_they_end(shell):
    easy = "--set task.success_rad=3.14 --set task.redraw_reached=false --set evaluate.goals=2"
    done = shell(f"dexctl simulate -p block-yaw {easy} --seconds 0.48")
    assert done.returncode == 0, done.stderr
    episodes = [event for event in events(done.stdout) if event["event"] == "episode"]
    assert [(one["index"], one["goals"], one["end"]) for one in episodes] == [(i, 2, "full") for i in range(3)]


@pytest.mark.parametrize(
    ("line", "code", "told"),
    [
        ("simulate web", 64, "'web' goes with --view"),
        ("simulate --png a.jpg", 64, ".png"),
        ("simulate --png a.png --camera bottom", 64, "top, left, right, watch"),
        ("simulate --policy random --video none/a.mp4", 73, "none"),
        ("simulate --policy none", 66, "no such run or checkpoint"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_made(shell, tmp_path, line, code, told):
    done = shell(f"dexctl {line}")
    assert done.returncode == code
    assert told in done.stderr
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_window_without_a_display_is_unavailable_and_points_to_the_browser(shell):
    done = shell("unset DISPLAY WAYLAND_DISPLAY; dexctl simulate --view")
    assert done.returncode == 69
    assert "--view web" in done.stderr


@contextlib.contextmanager
def served(environment):
    """A play in the web viewer, and where it is served."""
    command = ["dexctl", "simulate", "-p", "block-yaw", "--policy", "random", "--view", "web"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        try:
            assert run.stdout is not None
            listening = next(event for event in map(json.loads, run.stdout) if event["event"] == "listening")
            yield run, listening["endpoint"]
        finally:
            run.kill()


def test_the_web_viewer_serves_page_model_and_a_moving_state_over_one_loopback_port(environment):
    with served(environment) as (run, url):
        port = int(url.rstrip("/").rpartition(":")[2])
        assert addresses_of(port) == ["0100007F"]
        with urllib.request.urlopen(url) as page:
            assert b"MuJoCo" in page.read()
        with urllib.request.urlopen(f"{url}model") as model:
            assert len(model.read()) > 1_000_000
        with connect(f"ws://127.0.0.1:{port}/state", max_size=None) as states:
            frames = set()
            while len(frames) < 3:
                frame = states.recv(timeout=30)
                if isinstance(frame, bytes):
                    frames.add(frame)
        run.send_signal(signal.SIGINT)
        rest, told = run.communicate(timeout=30)
        assert run.returncode == 130
        assert json.loads(rest.splitlines()[-1])["status"] == "stopped"
        assert f"ssh -L {port}:127.0.0.1:{port}" in told
        assert "\x1b" not in told


def addresses_of(port):
    """Local addresses that listen on a port, as the kernel writes them."""
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    local = [row[1].split(":") for row in rows if row[3] == LISTENING]
    return [address for address, where in local if int(where, 16) == port]

"""The web viewer in a real browser, headless Chromium where there is one: it draws the hand, and the hand moves."""

import base64
import contextlib
import io
import itertools
import json
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image
from websockets.sync.client import connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SOFTWARE_GL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")
# Software GL on a busy machine draws a frame in seconds.
MANY_LOOKS = 60


@contextlib.contextmanager
def page_at(url, folder):
    """A page of the browser, as a function that sends one command of its protocol and returns the answer."""
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--no-first-run", "--window-size=900,700", *SOFTWARE_GL]
    command += ["--remote-debugging-port=0", f"--user-data-dir={folder}", url]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as browser:
        try:
            told = next(line for line in browser.stderr if "DevTools listening on" in line)
            with connect(told.split()[-1].strip(), max_size=None) as socket:
                numbers = itertools.count(1)

                def ask(method, session=None, **parameters):
                    number = next(numbers)
                    asked = {"id": number, "method": method, "params": parameters}
                    socket.send(json.dumps(asked | ({"sessionId": session} if session else {})))
                    while (answer := json.loads(socket.recv(timeout=120))).get("id") != number:
                        continue
                    return answer["result"]

                targets = ask("Target.getTargets")["targetInfos"]
                page = next(target["targetId"] for target in targets if target["type"] == "page")
                session = ask("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
                yield lambda method, **parameters: ask(method, session, **parameters)
        finally:
            browser.kill()


def looked(ask):
    """What the page shows, (H, W, 3) uint8."""
    with Image.open(io.BytesIO(base64.b64decode(ask("Page.captureScreenshot", format="png")["data"]))) as picture:
        return np.asarray(picture.convert("RGB"))


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_a_browser_draws_a_hand_that_moves(environment, tmp_path):
    command = ["dexctl", "simulate", "-p", "block-yaw", "--policy", "random", "--view", "web"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as run:
        try:
            url = next(event for event in map(json.loads, run.stdout) if event["event"] == "listening")["endpoint"]
            with page_at(url, tmp_path / "browser") as ask:
                # The canvas is empty until the model has come; then the scene fills it.
                pictures = (looked(ask) for _ in range(MANY_LOOKS))
                first = next(picture for picture in pictures if (picture[:600].max(-1) > 60).mean() > 0.2)
                Image.fromarray(first).save(tmp_path / "viewer.png")
                assert any((picture[:600] != first[:600]).any() for picture in pictures)
        finally:
            run.kill()

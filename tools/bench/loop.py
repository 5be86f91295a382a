"""Robots in real time: the served low-level loop beside a bare one, the policy's step, and time at its fastest.

The served robot is ``dexctl simulate --serve`` with the twin's 1 kHz loop, and a controller that commands it every
80 ms with the paper's LSTM; the bare loop is the same thread with nothing to do. Where the object is seen, the robot
draws three small pictures when it is asked, and an estimator that has learned nothing looks at them; how long it takes
alone, and the paper's with its larger pictures, is told too. Real-time scheduling needs the right to it (root, or
RLIMIT_RTPRIO): without it the loops are measured as they are.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import torch
from harness import bench

from dexctl.errors import SafetyStop
from dexctl.policy.actor import Actor
from dexctl.policy.choosing import PolicyChooser
from dexctl.profile.load import load
from dexctl.reorient.action import num_actuators
from dexctl.robot import realtime
from dexctl.robot.control import Controller
from dexctl.robot.placing import Placing
from dexctl.robot.remote import RemoteRobot
from dexctl.robot.safety import Guard
from dexctl.robot.trial import Trial, random_goals
from dexctl.vision.estimator import Estimator
from dexctl.vision.network import PoseNetwork

SECONDS = 8.0
_LOOKS = 50
_ANSWER_S = 5.0


def bare_loop() -> dict[str, float]:
    """A loop of the same period with nothing to do."""
    program = (
        "import time; from dexctl.robot import realtime as r; r.switch_threads_quickly(); r.pin_memory();"
        f"loop = r.Loop(0.001, lambda passed: None); loop.start(); time.sleep({SECONDS}); loop.stop();"
        "print(loop.punctuality.share)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return {"bare_within_half_ms": float(told.stdout)}


def served_loop() -> dict[str, float]:
    """The twin in real time under a policy, and how long the policy's steps take."""
    with _served("real") as (process, endpoint), _controller(endpoint) as controller:
        latency_ms, stops = _play(controller)
        process.terminate()
        events = [json.loads(line) for line in process.stdout or ()]
    kept = next(event for event in reversed(events) if event["event"] == "status")
    return {
        "periods_within_half_ms": kept["within_half_ms"],
        "policy_step_median_ms": float(np.median(latency_ms)),
        "policy_step_p99_ms": float(np.percentile(latency_ms, 99)),
        "stops": stops,
    }


def seeing_loop() -> dict[str, float]:
    """The same, with the object seen through the twin's cameras; pictures and estimate are in the step."""
    estimator = _estimator("vision-small")
    cameras = ("--cameras", "classic", "--set", f"robot.image_px={estimator.image_px}")
    with _served("real", "robot/twin", *cameras) as (_, endpoint), _controller(endpoint, estimator) as controller:
        latency_ms, stops = _play(controller)
    return {
        "seeing_step_median_ms": float(np.median(latency_ms)),
        "seeing_step_p99_ms": float(np.percentile(latency_ms, 99)),
        "seeing_stops": stops,
    }


def estimates() -> dict[str, float]:
    """How long an estimator takes for the three pictures of a step, on one thread: pictures are there already."""
    torch.set_num_threads(1)
    realtime.keep_memory()
    found = {}
    for profile in ("vision-small", "vision-paper"):
        estimator = _estimator(profile)
        pictures = np.random.default_rng(0).integers(
            0, 256, (1, len(estimator.cameras), estimator.image_px, estimator.image_px, 3), np.uint8
        )
        took_ms = []
        for _ in range(_LOOKS):
            start_s = time.perf_counter()
            estimator.estimate(pictures)
            took_ms.append((time.perf_counter() - start_s) * 1000)
        name = profile.replace("-", "_")
        found[f"{name}_median_ms"] = float(np.median(took_ms))
        found[f"{name}_p99_ms"] = float(np.percentile(took_ms, 99))
    return found


def _estimator(name: str) -> Estimator:
    profile = load(name).profile
    assert profile.vision
    return Estimator(profile, PoseNetwork(profile.vision, len(profile.cameras), 0).eval())


def _play(controller: Controller) -> tuple[np.ndarray, int]:
    """How long each step took, ms, and how often the robot stopped itself, since no command came for 200 ms."""
    end_s, stops = time.monotonic() + SECONDS, 0
    while time.monotonic() < end_s:
        try:
            for _ in controller.run(1, armed=True):
                pass
        except SafetyStop:
            stops += 1
    if not controller.clocks.latency_s:
        sys.exit("loop: no control step came through before the watchdog bit: this machine is too busy")
    return np.array(controller.clocks.latency_s) * 1000, stops


def fastest(profile: str, name: str) -> dict[str, float]:
    """Robot's seconds in one of ours when nobody waits."""
    with _served("max", profile) as (_, endpoint), RemoteRobot(endpoint, _ANSWER_S) as robot:
        robot.connect()
        robot.arm()
        nothing = np.zeros(len(robot.features.actuators))
        start_s = time.perf_counter()
        now_s = 0.0
        while now_s < SECONDS:
            robot.act(nothing, robot.observe().time_s)
            now_s = robot.wait_until(now_s + 0.08)
        return {name: now_s / (time.perf_counter() - start_s)}


def twin_fastest() -> dict[str, float]:
    """The twin, 2 ms steps of physics."""
    return fastest("robot/twin", "twin_times_real_time")


def same_fastest() -> dict[str, float]:
    """The robot without a gap, 8 ms steps of physics."""
    return fastest("robot/same", "same_times_real_time")


@contextlib.contextmanager
def _served(rate: str, profile: str = "robot/twin", *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "dexctl", "simulate", "--serve", "tcp://127.0.0.1:0"]
    with subprocess.Popen(
        [*command, "--profile", profile, "--rate", rate, *more], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout
            endpoint = ""
            for line in process.stdout:
                event = json.loads(line)
                if event["event"] == "listening":
                    endpoint = event["endpoint"]
                if event["event"] == "ready":
                    break
            yield process, endpoint
        finally:
            process.terminate()


@contextlib.contextmanager
def _controller(endpoint: str, estimator: Estimator | None = None) -> Iterator[Controller]:
    torch.set_num_threads(1)
    realtime.keep_memory()
    realtime.schedule_first(realtime.CONTROL_PRIORITY)
    profile = load("block-paper", ["task.start='yaw'", "task.start_random_steps=10"]).profile
    safety = load("robot/twin").profile.robot
    assert safety
    actor = Actor(profile, num_actuators(profile))
    chooser = PolicyChooser(actor, tuple(profile.policy.actor.observe), 1, False)
    placing = Placing(profile)
    try:
        with RemoteRobot(endpoint, _ANSWER_S) as robot:
            features = robot.features
            control_range = torch.tensor(features.control_range_rad, dtype=torch.float64)
            trial = Trial(profile, chooser, control_range, random_goals(profile), profile.evaluate.goals)
            realtime.keep_garbage()
            robot.connect()
            yield Controller(robot, trial, Guard(safety.safety, features), 0, placing, estimator)
    finally:
        realtime.schedule_as_others()


if __name__ == "__main__":
    bench(
        "loop",
        [bare_loop, served_loop, seeing_loop, estimates, twin_fastest, same_fastest],
        {"served_over_bare": ("periods_within_half_ms", "bare_within_half_ms")},
        num_warm_ups=0,
    )

"""A real link between two network namespaces, cut and restored."""

import os
import shutil
import subprocess

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="network namespaces need root and iproute2"),
]


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, timeout=20)


class Link:
    """Two namespaces and the cable between them."""

    def __init__(self):
        self.names = [f"dexctl{os.getpid()}{end}" for end in "ab"]
        for name in self.names:
            ip("netns", "add", name)
        first, second = self.names
        ip("link", "add", "cable", "netns", first, "type", "veth", "peer", "name", "cable", "netns", second)
        for number, name in enumerate(self.names):
            ip("-n", name, "address", "add", f"10.77.0.{number + 1}/24", "dev", "cable")
            ip("-n", name, "link", "set", "cable", "up")

    def set(self, state):
        ip("-n", self.names[1], "link", "set", "cable", state)

    def close(self):
        for name in self.names:
            ip("netns", "delete", name)


def test_a_cut_link_is_noticed_and_experience_goes_on_when_it_is_restored(closing, spawn):
    link = closing(Link())
    last = 199
    optimizer = spawn("optimizer", namespace=link.names[0], bind="tcp://10.77.0.1:0", insecure=True, dismiss_at=last)
    endpoint = optimizer.wait("listening")["endpoint"]
    worker = spawn("worker", namespace=link.names[1], endpoints=[endpoint], segments=last + 1, pause_s=0.01)
    for _ in range(20):
        optimizer.wait("taken")
    link.set("down")
    assert "silent for" in optimizer.wait("lost")["text"]
    link.set("up")
    optimizer.wait("joined")
    assert worker.end() == 0
    optimizer.end()
    assert [line["tag"] for line in optimizer.seen if line["event"] == "taken"] == list(range(last + 1))


def has_netem(name):
    """Whether the kernel can delay and drop packets."""
    command = ["tc", "-n", name, "qdisc", "add", "dev", "cable", "root", "netem", "delay", "200ms", "loss", "5%"]
    return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0


def test_experience_goes_over_a_link_with_200_ms_delay_and_5_percent_loss(closing, spawn):
    link = closing(Link())
    if not has_netem(link.names[0]):
        pytest.skip("this kernel has no netem")
    last = 49
    optimizer = spawn(
        "optimizer",
        namespace=link.names[0],
        bind="tcp://10.77.0.1:0",
        insecure=True,
        dismiss_at=last,
        timeout_s=5.0,
    )
    endpoint = optimizer.wait("listening")["endpoint"]
    worker = spawn("worker", namespace=link.names[1], endpoints=[endpoint], segments=last + 1)
    assert worker.end() == 0
    optimizer.end()
    assert [line["tag"] for line in optimizer.seen if line["event"] == "taken"] == list(range(last + 1))

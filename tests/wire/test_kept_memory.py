"""Blocks that come over a socket take the memory of those before them."""

import platform
import subprocess
import sys

import pytest

# Blocks wait and are let go sixteen at a time; what is freed then, glibc would give back.
PROGRAM = """
import resource, zmq
from dexctl.wire.kept_memory import keep_freed_memory

assert keep_freed_memory()
block, waiting = bytes(1 << 20), []
with zmq.Context() as context, context.socket(zmq.PULL) as pull, context.socket(zmq.PUSH) as push:
    push.linger = pull.linger = 0
    push.connect(f"tcp://127.0.0.1:{pull.bind_to_random_port('tcp://127.0.0.1')}")
    for number in range(200):
        if number == 50:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        push.send(block, copy=False)
        waiting.append(pull.recv(copy=False))
        if number % 16 == 0:
            waiting.clear()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_blocks_that_come_and_go_take_no_new_pages():
    outcome = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    # 150 MiB came; without it, mostly 6,600 pages of 16 KiB.
    assert int(outcome.stdout) < 600

import subprocess
import sys

# Faults of blocks that are written to and freed; how many there are the first time hangs on the size of a page.
PROGRAM = """
import resource, sys
import numpy as np
from dexctl.robot import realtime

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [np.ones(1 << 20) for _ in range(4)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if not realtime.keep_memory():
    sys.exit(3)
print(faults(), faults())
"""


def test_memory_that_was_freed_once_is_had_again_without_asking_the_system():
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    first, again = map(int, told.stdout.split())
    assert again < first / 4

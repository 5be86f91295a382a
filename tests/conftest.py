"""What every test shares: how properties are searched, how many threads torch takes, and that signals arrive."""

import signal

import torch
from hypothesis import settings

# The first call of a test pays for imports, and this machine may be busy: time says nothing of a property.
# The search is the same every time, so that the suite says the same of the same code.
settings.register_profile("dexctl", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("dexctl")

# Tests are of small things, which threads only slow down, and the more so the busier the machine is.
torch.set_num_threads(1)

# A shell that runs the tests in the background has them ignore these, and so would every process
# they start; the signals that the tests send must arrive.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

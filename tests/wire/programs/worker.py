"""A worker that sends numbered segments, and says what befalls it in JSON lines.

Options: endpoints, name, segments, pause_s (between them), orphan_timeout_s.
"""

import json
import select
import sys
import time
from pathlib import Path

import numpy as np

from dexctl.errors import DexctlError
from dexctl.profile.schema import Wire
from dexctl.wire.worker import Dismissed, WorkerEndpoint


def say(event, **fields):
    sys.stdout.write(json.dumps({"event": event, "clock_s": time.time(), **fields}) + "\n")
    sys.stdout.flush()


options = json.loads(sys.argv[1])
wire = Wire(
    credits=4,
    buffer_mib=64,
    heartbeat_s=0.1,
    timeout_s=0.8,
    orphan_timeout_s=options.get("orphan_timeout_s", 20.0),
)
worker = WorkerEndpoint(
    options["endpoints"],
    "",
    wire,
    timeout_s=20.0,
    name=options.get("name"),
    shared_folder=Path(options["shared_folder"]),
)
try:
    welcome = worker.join()
    say("joined", index=welcome.worker_index, seed=welcome.seed)
    version, _ = worker.parameters(wait_for=1)
    for number in range(options["segments"]):
        arrays = {a.name: np.zeros(welcome.layout.shape(a), a.dtype) for a in welcome.layout.arrays}
        arrays["tag"][()] = number
        worker.send(version, arrays)
        select.select([], [], [], options.get("pause_s", 0))
        say("sent", number=number)
    while True:
        version, _ = worker.parameters(wait_for=version + 1)
        say("parameters", version=version)
except Dismissed as dismissed:
    say("dismissed", reason=str(dismissed))
except DexctlError as error:
    say("failed", kind=type(error).__name__, message=str(error))
    sys.exit(error.code)
finally:
    worker.close()

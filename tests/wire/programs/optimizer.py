"""An optimizer that says which segments it took, in JSON lines, and dismisses its workers.

Options: bind, insecure, dismiss_at (a tag), timeout_s.
"""

import json
import sys
import time

import numpy as np

from dexctl.profile.schema import Wire
from dexctl.wire.arrivals import Segment
from dexctl.wire.layout import ArrayLayout, Layout
from dexctl.wire.optimizer import OptimizerEndpoint


def say(event, **fields):
    sys.stdout.write(json.dumps({"event": event, "clock_s": time.time(), **fields}) + "\n")
    sys.stdout.flush()


options = json.loads(sys.argv[1])
wire = Wire(
    credits=4,
    buffer_mib=64,
    heartbeat_s=0.1,
    timeout_s=options.get("timeout_s", 0.8),
    orphan_timeout_s=20.0,
)
layout = Layout(2, 512, (ArrayLayout("observation", "float32", ("T", "N", 64)), ArrayLayout("tag", "int32", ())))
optimizer = OptimizerEndpoint(options["bind"], b"{}", "d1", layout, wire, 7, insecure=options.get("insecure", False))
optimizer.publish(1, {"weight": np.zeros(3, np.float32)})
say("listening", endpoint=optimizer.endpoint)
finished = False
while not finished:
    for arrival in optimizer.receive(0.2):
        if isinstance(arrival, Segment):
            tag = int(arrival.arrays["tag"])
            say("taken", tag=tag)
            optimizer.acknowledge(arrival)
            finished = finished or tag == options.get("dismiss_at")
        else:
            say(type(arrival).__name__.lower(), text=str(arrival))
optimizer.dismiss("enough")
optimizer.close()

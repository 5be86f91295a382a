"""One optimizer process of the scaling bench: learns from its part of a recorded segment, and times the averaging.

``python scaling_peers.py OPTIONS-AS-JSON``: ``rank`` of ``count``, ``store`` where they find one another, the
``profile`` and its ``settings``, what was ``recorded``, how many ``updates``, and ``out``, the state after the first.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from recorded import read
from safetensors.torch import save_file
from torch import Tensor

from dexctl.ppo.learner import Learner
from dexctl.ppo.peers import Group
from dexctl.profile.load import load
from dexctl.reorient.action import num_actuators

# As many workers as processes learn from it at most, so that one process gets what two get together.
PARTS = 2


class Timed(Group):
    """Processes that first wait for the slowest of them, so that averaging is timed without it.

    Attributes:
        waiting_s: until all had their gradients, a message there and back among it.
        averaging_s: of the gradients themselves.
    """

    waiting_s = averaging_s = 0.0

    def add_gradients(self, parameters: Sequence[Tensor], stop: bool) -> bool:
        """As any group does."""
        began_s = time.perf_counter()
        self.total(torch.zeros(1))
        came_s = time.perf_counter()
        stopped = super().add_gradients(parameters, stop)
        self.waiting_s += came_s - began_s
        self.averaging_s += time.perf_counter() - came_s
        return stopped


def main() -> None:
    """Learns and tells."""
    options = json.loads(sys.argv[1])
    rank, count = options["rank"], options["count"]
    torch.set_num_threads(1)
    profile = load(options["profile"], options["settings"]).profile
    recorded = read(Path(options["recorded"]))
    segment = recorded.layout.arrays_of([memoryview(frame) for frame in recorded.frames])
    size = recorded.layout.environments // PARTS
    parts = [
        {name: np.ascontiguousarray(array[:, part * size : (part + 1) * size]) for name, array in segment.items()}
        for part in range(PARTS)
    ]
    learner = Learner(profile, num_actuators(profile), 0)
    with contextlib.ExitStack() as stack:
        peers = None
        if count > 1:
            store = dist.FileStore(options["store"], count)
            dist.init_process_group("gloo", store=store, rank=rank, world_size=count)
            stack.callback(dist.destroy_process_group)
            peers = Timed(rank, count, None)
            learner.join(peers)
        seconds = 0.0
        for update in range(options["updates"]):
            for part in range(rank, PARTS, count):
                learner.add(parts[part], part)
            if not learner.knows_scale:
                learner.learn_scale()
            if update == 1 and peers:
                # The first one warms up.
                peers.waiting_s = peers.averaging_s = 0.0
            told = learner.update()
            seconds += told.seconds if update else 0.0
            if update == 0:
                save_file({name: value.contiguous() for name, value in learner.state().items()}, options["out"])
    averaging = {"waiting_s": peers.waiting_s, "averaging_s": peers.averaging_s} if peers else {}
    print(json.dumps({"learning_s": seconds, **averaging}))


if __name__ == "__main__":
    main()

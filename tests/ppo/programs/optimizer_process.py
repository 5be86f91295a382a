"""One of several optimizer processes that learn from segments on disk; saves what came of it.

Options: rank, count, store and profile (files), segments (by update, files and workers of this rank), out, stop_at.
"""

import json
import sys
from pathlib import Path

import msgspec
import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import save_file

from dexctl.ppo.learner import Learner
from dexctl.ppo.peers import joined
from dexctl.profile.schema import Profile

options = json.loads(sys.argv[1])
torch.set_num_threads(1)
rank, count = options["rank"], options["count"]
profile = msgspec.json.decode(Path(options["profile"]).read_bytes(), type=Profile)
with joined(dist.FileStore(options["store"], count), rank, count, torch.device("cpu")) as peers:
    # Only the first has the right networks to begin with.
    learner = Learner(profile, 2, 3 + 7 * rank)
    learner._seed = 3
    learner.join(peers)
    told = []
    for segments in options["segments"]:
        for path, worker in segments:
            with np.load(path) as arrays:
                learner.add(dict(arrays), worker)
        if not learner.knows_scale:
            learner.learn_scale()
        stops = (step == options.get("stop_at") for step in range(1000))
        update = learner.update(lambda stops=stops: rank == count - 1 and next(stops))
        told.append({name: value for name, value in vars(update).items() if name != "seconds"})
    save_file({name: value.contiguous() for name, value in learner.state().items()}, options["out"])
    Path(options["out"]).with_suffix(".json").write_text(json.dumps(told))
